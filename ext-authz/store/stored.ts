import { types } from 'pg'
import type { AuditRow } from './audit-row.ts'
import { COLUMNS } from './columns.ts'

const INT8 = 20
const JSONB = 3802

/** JSON's null in a jsonb column; SQL's NULL is something else. */
const JSON_NULL = Symbol('null')

const parseJsonb = (text: string): unknown => (text === 'null' ? JSON_NULL : JSON.parse(text))

/** How columns come back: bigint as number (ours are below 2^53), everything else as pg does it. */
export const STORED_TYPES: { getTypeParser: typeof types.getTypeParser } = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8) return Number
    if (oid === JSONB) return parseJsonb
    return types.getTypeParser(oid, format === 'binary' ? 'binary' : 'text')
  },
}

/** An instant with all its µs, as a number. */
export const micros = (column: string): string => `(extract(epoch FROM ${column}) * 1000000)::bigint`

/** Select list of `gateway_audit_logs AS g` for {@link storedRow}. */
export const ROW_COLUMNS = COLUMNS.map((name) =>
  name === 'timestamp' ? `${micros('g."timestamp"')} AS at` : `g.${name}`,
).join(', ')

/** A row as it was given to the writer: NULL is undefined again. */
export function storedRow(found: Readonly<Record<string, unknown>>): AuditRow {
  const row = Object.fromEntries(COLUMNS.map((name) => [name, storedValue(found[name === 'timestamp' ? 'at' : name])]))
  return row as Record<keyof AuditRow, never>
}

function storedValue(value: unknown): unknown {
  if (value === null) return undefined
  return value === JSON_NULL ? null : value
}
