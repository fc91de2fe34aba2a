import type { AuditRow } from './audit-row.ts'

/** PostgreSQL types that a column may have here; each has a wire form in binary-copy.ts. */
export type ColumnType =
  | 'timestamptz'
  | 'uuid'
  | 'text'
  | 'text[]'
  | 'jsonb'
  | 'boolean'
  | 'integer'
  | 'bigint'
  | 'double precision'
  | 'bytea'

/**
 * Every column of `gateway_audit_logs` with its type, in the order of the table; a test holds it against the catalogue.
 */
export const COLUMN_TYPES = {
  timestamp: 'timestamptz',
  id: 'uuid',
  node: 'text',
  request_id: 'text',
  correlation_id: 'text',
  causation_id: 'text',
  gateway: 'text',
  gateway_type: 'text',
  route: 'text',
  http_method: 'text',
  endpoint: 'text',
  query_params: 'jsonb',
  request_headers: 'jsonb',
  request_body: 'jsonb',
  user_id: 'text',
  customer_id: 'text',
  email: 'text',
  roles: 'text[]',
  trial_mode: 'boolean',
  opa_policies_evaluated: 'text[]',
  opa_decisions: 'jsonb',
  opa_latency_ms: 'double precision',
  status_code: 'integer',
  response_headers: 'jsonb',
  response_body: 'jsonb',
  error_type: 'text',
  error_message: 'text',
  total_latency_ms: 'double precision',
  plant_latency_ms: 'double precision',
  action: 'text',
  resource: 'text',
  resource_id: 'text',
  event_id: 'text',
  verdict: 'text',
  problem: 'text',
  stages: 'jsonb',
  degraded: 'text[]',
  outcome: 'text',
  policy_version: 'text',
  source: 'text',
  target: 'text',
  client_address: 'text',
  decision_us: 'bigint',
  bytes_received: 'bigint',
  bytes_sent: 'bigint',
  upstream_host: 'text',
  upstream_attempts: 'integer',
  response_flags: 'text',
  response_details: 'text',
  actual_cost: 'bigint',
  decision_bytes: 'bytea',
  decision_hash: 'bytea',
  completion_bytes: 'bytea',
  completion_hash: 'bytea',
} as const satisfies Record<keyof AuditRow, ColumnType>

/** Names of the columns, in the order of the table. */
export const COLUMNS = Object.keys(COLUMN_TYPES) as readonly (keyof AuditRow)[]
