import type { RowKey } from '../../store/errors.ts'
import { isoMicros } from '../../store/time.ts'

/** What is wrong with the audit in PostgreSQL; each kind is one thing that somebody did, or that was lost. */
export const FAULT_KINDS = [
  /** A column differs from what the row's bytes say. */
  'edited row',
  /** Bytes and hash of a half agree with each other, and not with what a batch signed. */
  'rewritten row',
  /** A batch signed a half that no row holds. */
  'deleted row',
  /** The same, but it is known where the half is: in the recorder's dead letters. */
  'dead letter',
  /** A row holds a half that no batch signed. */
  'added row',
  /** A number is left out. */
  'missing batch',
  /** A batch is not what its signature says, or does not follow the one before it. */
  'edited batch',
  /** The newest batches are gone: the recorder knows a later one. */
  'truncated batches',
  /** The key that a batch names was not given, so its signature cannot be checked. */
  'unknown key',
  /** More than is kept in memory waits for its other side: the rest was not compared. */
  'not compared',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** One finding: where, and what was expected there. */
export interface AuditFault {
  readonly kind: FaultKind
  readonly node: string
  /** Of a row: its key. */
  readonly row?: { readonly timestamp: string; readonly id: string }
  /** Of a batch. */
  readonly batch?: number
  /** A sentence without a full stop: the rule, what was expected, what was found. */
  readonly message: string
}

/** A finding about a row. */
export function rowFault(kind: FaultKind, node: string, { timestamp, id }: RowKey, message: string): AuditFault {
  return { kind, node, row: { timestamp: isoMicros(timestamp), id }, message }
}

/** A finding about a batch root. */
export function batchFault(kind: FaultKind, node: string, batch: number, message: string): AuditFault {
  return { kind, node, batch, message }
}
