import type { AuditOutcome } from './audit-row.ts'
import type { RowKey } from './errors.ts'
import { isoMicros } from './time.ts'

/** Which rows, in which order. Absent members do not restrict; all that are present must hold. */
export interface AuditFilter {
  /** Epoch µs, inclusive. */
  readonly from?: number | undefined
  /** Epoch µs, exclusive. */
  readonly to?: number | undefined
  readonly user?: string | undefined
  readonly customer?: string | undefined
  /** Both ends inclusive: 403…403, 400…499. */
  readonly status?: { readonly min: number; readonly max: number } | undefined
  readonly problem?: string | undefined
  readonly route?: string | undefined
  readonly gateway?: string | undefined
  readonly correlation?: string | undefined
  readonly request?: string | undefined
  readonly node?: string | undefined
  readonly outcome?: AuditOutcome | undefined
  /** By (timestamp, id). Default `newest` first. */
  readonly order?: 'newest' | 'oldest' | undefined
  /** Only rows that come after this one in that order: how the next page is asked for. */
  readonly after?: RowKey | undefined
}

/** On whose behalf rows are read; decides what row-level security lets through (AU-5). */
export type Viewer =
  | { readonly role: 'admin' }
  | { readonly role: 'user'; readonly userId: string }
  | { readonly role: 'customer_admin'; readonly customerId: string }

/** A condition on `gateway_audit_logs AS g`, with its parameters from `$1` on. */
export interface Condition {
  readonly text: string
  readonly values: readonly (string | number)[]
}

/**
 * The filter in SQL. A viewer's own user or customer stands in it too, although the policies see to that: PostgreSQL
 * takes an index for what the query says, not for what one of several policies says.
 */
export function conditionOf(filter: AuditFilter, viewer: Viewer): Condition {
  const values: (string | number)[] = []
  const bind = (value: string | number) => `$${values.push(value)}`
  const { after } = filter
  const terms = [
    ...equalities(filter, viewer).map(([column, value]) => `g.${column} = ${bind(value)}`),
    ...bounds(filter).map(([operand, value]) => `g.${operand} ${bind(value)}`),
    ...(after === undefined
      ? []
      : [`(g."timestamp", g.id) ${beyond(filter)} (${bind(isoMicros(after.timestamp))}, ${bind(after.id)})`]),
  ]
  return { text: terms.length === 0 ? 'true' : terms.join(' AND '), values }
}

/** `ORDER BY` of the filter. */
export const orderOf = ({ order }: AuditFilter): string =>
  order === 'oldest' ? 'g."timestamp", g.id' : 'g."timestamp" DESC, g.id DESC'

const beyond = ({ order }: AuditFilter) => (order === 'oldest' ? '>' : '<')

const EQUAL = {
  user: 'user_id',
  customer: 'customer_id',
  problem: 'problem',
  route: 'route',
  gateway: 'gateway',
  correlation: 'correlation_id',
  request: 'request_id',
  node: 'node',
  outcome: 'outcome',
} as const satisfies Partial<Record<keyof AuditFilter, string>>

function equalities(filter: AuditFilter, viewer: Viewer): [column: string, value: string][] {
  const wanted = Object.entries(EQUAL).flatMap(([key, column]): [string, string][] => {
    const value = filter[key as keyof typeof EQUAL]
    return value === undefined ? [] : [[column, value]]
  })
  if (viewer.role === 'user') wanted.push(['user_id', viewer.userId])
  if (viewer.role === 'customer_admin') wanted.push(['customer_id', viewer.customerId])
  return wanted
}

function bounds({ from, to, status }: AuditFilter): [operand: string, value: string | number][] {
  const found: [string, string | number][] = []
  if (from !== undefined) found.push(['"timestamp" >=', isoMicros(from)])
  if (to !== undefined) found.push(['"timestamp" <', isoMicros(to)])
  if (status !== undefined) found.push(['status_code >=', status.min], ['status_code <=', status.max])
  return found
}
