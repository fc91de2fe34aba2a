import type { AuditRow } from '../../../../ext-authz/store/audit-row.ts'
import { COLUMNS } from '../../../../ext-authz/store/columns.ts'
import { isoMicros } from '../../../../ext-authz/store/time.ts'
import { printable } from '../../printable.ts'

/** A row as one line of JSON: every column by name, times as ISO with µs, bytes as base64, NULL as null. */
export function rowJson(row: AuditRow): string {
  const line = JSON.stringify(Object.fromEntries(COLUMNS.map((column) => [column, jsonValue(column, row[column])])))
  // JSON leaves some characters as they are that a terminal obeys; escaped they are the same value.
  return printable(line)
}

function jsonValue(column: keyof AuditRow, value: unknown): unknown {
  if (value === undefined) return null
  if (column === 'timestamp' && typeof value === 'number') return isoMicros(value)
  return Buffer.isBuffer(value) ? value.toString('base64') : value
}

/** A row as one line for people: when, status, request, where it went, who, what was wrong, how long, and its ids. */
export function rowLine(row: AuditRow): string {
  const cells = [
    isoMicros(row.timestamp).replace(/\d{3}Z$/, 'Z'),
    String(row.status_code ?? '-').padEnd(3),
    (row.http_method ?? '-').padEnd(6),
    (row.endpoint ?? '-').padEnd(32),
    placeOf(row).padEnd(28),
    callerOf(row).padEnd(20),
    (row.problem ?? '').padEnd(20),
    row.outcome === 'completed' || row.outcome === 'envoy' ? '' : row.outcome,
    row.total_latency_ms === undefined ? '' : `${row.total_latency_ms.toFixed(1)} ms`,
    row.request_id ?? row.id,
  ]
  return printable(cells.filter((cell) => cell !== '').join('  '))
}

/** `gateway/route`, or what is known of it. */
export function placeOf({ gateway, route }: AuditRow): string {
  if (gateway === undefined) return route ?? '-'
  return route === undefined ? gateway : `${gateway}/${route}`
}

function callerOf({ user_id, customer_id }: AuditRow): string {
  if (user_id === undefined) return '-'
  return customer_id === undefined ? user_id : `${user_id}@${customer_id}`
}
