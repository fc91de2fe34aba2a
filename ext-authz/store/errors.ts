/** Which row: its primary key (epoch µs, UUID). Says nothing of what is in it. */
export interface RowKey {
  readonly timestamp: number
  readonly id: string
}

/**
 * The store cannot take or give anything now: not reachable, starting, read-only, full, locked, too slow, or not set up
 * for us (tables, grants, password). Nothing is wrong with the rows: the same call is to be repeated later.
 */
export class StoreAway extends Error {
  override readonly name = 'StoreAway'
  /** Of PostgreSQL's answer; undefined where none came. */
  readonly sqlstate: string | undefined

  constructor(message: string, sqlstate: string | undefined, options?: ErrorOptions) {
    super(message, options)
    this.sqlstate = sqlstate
  }
}

/** A late completion has no row (migrations/0005_completion.sql). */
export const NO_SUCH_ROW = 'SP001'
/** The row of a late completion has another one, or waits for none. */
export const NOT_OPEN = 'SP002'
/** A month was to be dropped without its signed entry (migrations/0004_months.sql). */
export const NOT_SIGNED = 'SP003'
/** A value that has no wire form, found before anything was sent. */
export const NOT_ENCODABLE = 'SP000'

/**
 * Something in the batch can never be written as it is: repeating it will not help, writing the rest without it will.
 * The SQLSTATE and PostgreSQL's own sentence are kept, never the row or its values.
 */
export class RowRefused extends Error {
  override readonly name = 'RowRefused'
  readonly sqlstate: string
  /**
   * All rows that this error is about, where that is known ({@link NO_SUCH_ROW}, {@link NOT_OPEN},
   * {@link NOT_ENCODABLE}); else empty: bisect.
   */
  readonly rows: readonly RowKey[]

  constructor(message: string, sqlstate: string, rows: readonly RowKey[] = [], options?: ErrorOptions) {
    super(message, options)
    this.sqlstate = sqlstate
    this.rows = rows
  }
}

/**
 * At least one of these months (`2026-08`, UTC; all that the batch touches) has no partition: have the maintainer make
 * them, then repeat.
 */
export class PartitionMissing extends Error {
  override readonly name = 'PartitionMissing'
  readonly months: readonly string[]

  constructor(months: readonly string[], options?: ErrorOptions) {
    super(`gateway_audit_logs has no partition for one of ${months.join(', ')}`, options)
    this.months = months
  }
}

/**
 * Another root has the batch's number already: two recorders share a node name, or a recorder lost its folder.
 * Repeating will not help.
 */
export class RootTaken extends Error {
  override readonly name = 'RootTaken'
}
