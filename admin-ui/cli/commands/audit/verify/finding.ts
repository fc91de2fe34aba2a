import type { AuditFault } from '../../../../../ext-authz/audit/verify/fault.ts'
import { printable } from '../../../printable.ts'

/** One finding of `audit verify`, in PostgreSQL or in a spool; `--json` prints it. */
export interface Finding {
  readonly in: 'database' | 'spool'
  readonly kind: string
  /** `node edge-1 batch 7`, `edge-1 row 2026-…Z 0d51…`, `spool/0/….seg offset 1234`. */
  readonly place: string
  readonly message: string
}

/** A fault of the database as a finding. */
export function databaseFinding({ kind, node, row, batch, message }: AuditFault): Finding {
  const at = row === undefined ? `batch ${batch}` : `row ${row.timestamp} ${row.id}`
  return { in: 'database', kind, place: `node ${node} ${at}`, message }
}

/** A finding as one line for people. */
export function findingText({ kind, place, message }: Finding): string {
  return printable(`${kind}: ${place}: ${message}`)
}
