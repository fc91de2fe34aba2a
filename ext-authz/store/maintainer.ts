import type { Secret } from '../../runtime/secret.ts'
import type { DroppedMonth } from './batch.ts'
import { type Session, withConnection } from './connection.ts'
import { addMonths, monthOf } from './time.ts'

/** Makes partitions ahead and retires old ones (AU-4). Each call has a connection of its own. */
export interface AuditMaintainer {
  /**
   * Makes the partitions of the month of `at` (epoch µs), of the 3 after it, and of `also` (`2026-08`); harmless where
   * they are there.
   * Gives how many whole months after that of `at` have a partition. Rejects with `StoreAway`; with `RowRefused` where
   * a month in `also` is none that a correct clock could show (before 2000, after 2199).
   */
  ensure(at: number, also?: readonly string[]): Promise<number>
  /**
   * Drops the months that lie wholly before `before` (epoch µs), oldest first: takes one out of the table, digests its
   * rows, waits for `sign` to have written the signed entry (a `dropped` root), then drops it. What was cut off in
   * between is finished by the next call.
   * Does nothing while another maintainer is at it. Gives the months that were dropped. Rejects with `StoreAway`, also
   * where somebody reads the table for so long that it cannot be changed; with `RowRefused` where a month ended less
   * than 30 days ago or `sign` wrote no entry.
   */
  retire(before: number, sign: (month: DroppedMonth) => Promise<void>): Promise<readonly DroppedMonth[]>
}

/** Months that have a partition before they begin. */
const MONTHS_AHEAD = 3

const LIMITS = { connectMs: 5_000, lockMs: 2_000 }
const MAKING = { ...LIMITS, name: 'sallyport-maintainer', statementMs: 30_000 }
/** A digest reads a whole month. */
const RETIRING = { ...LIMITS, name: 'sallyport-retention', statementMs: 3_600_000 }

/** Makes a maintainer for a login of role `sallyport_maintainer`. */
export function openMaintainer(url: Secret): AuditMaintainer {
  return {
    ensure: (at, also = []) => withConnection(url, MAKING, (session) => ensure(session, monthOf(at), also)),
    retire: (before, sign) => withConnection(url, RETIRING, (session) => retire(session, monthOf(before), sign)),
  }
}

async function ensure(session: Session, current: string, also: readonly string[]): Promise<number> {
  const ahead = Array.from({ length: MONTHS_AHEAD + 1 }, (_, index) => addMonths(current, index))
  const there = new Set((await monthTables(session)).filter(({ retired }) => !retired).map(({ month }) => month))
  for (const month of new Set([...ahead, ...also])) {
    if (there.has(month)) continue
    await session.query('SELECT sallyport.make_gateway_audit_month($1)', [firstDay(month)])
    there.add(month)
  }
  let whole = 0
  while (there.has(addMonths(current, whole + 1))) whole += 1
  return whole
}

async function retire(session: Session, keepFrom: string, sign: (month: DroppedMonth) => Promise<void>) {
  const dropped: DroppedMonth[] = []
  // Held until the connection ends.
  const { rows } = await session.query<{ mine: boolean }>(
    `SELECT pg_try_advisory_lock(hashtext('sallyport.retention')) AS mine`,
  )
  if (rows[0]?.mine !== true) return dropped
  for (const { month, retired } of await monthTables(session)) {
    if (!retired && month >= keepFrom) continue
    if (!retired) await session.query('SELECT sallyport.detach_gateway_audit_month($1)', [firstDay(month)])
    const gone = await digest(session, month)
    await sign(gone)
    await session.query(`SELECT sallyport.drop_gateway_audit_month($1, decode($2, 'hex'))`, [
      firstDay(month),
      gone.digest,
    ])
    dropped.push(gone)
  }
  return dropped
}

async function digest(session: Session, month: string): Promise<DroppedMonth> {
  const { rows } = await session.query<{ rows: string; digest: string }>(
    `SELECT rows, encode(digest, 'hex') AS digest FROM sallyport.digest_gateway_audit_month($1)`,
    [firstDay(month)],
  )
  return { month, rows: Number(rows[0]?.rows), digest: rows[0]?.digest ?? '' }
}

/** Months that have a table, oldest first; `retired`: taken out of the audit and not dropped yet. */
async function monthTables(session: Session): Promise<{ month: string; retired: boolean }[]> {
  const { rows } = await session.query<{ month: string; retired: boolean }>(
    `SELECT replace(substr(relname, 20, 7), '_', '-') AS month, relname LIKE '%retired' AS retired FROM pg_class
      WHERE relnamespace = to_regnamespace('sallyport') AND relkind = 'r'
        AND relname ~ '^gateway_audit_logs_\\d{4}_\\d{2}(_retired)?$' ORDER BY relname`,
  )
  return rows
}

const firstDay = (month: string) => `${month}-01`
