/**
 * A row of `gateway_audit_logs`: AU-2's columns and ours, by column name. Times are epoch µs, durations ms with three decimals, JSONB columns are
 * values that JSON can hold. Undefined is NULL. Text has passed `visible` (no NUL, no lone surrogate).
 */
export interface AuditRow {
  /** Half of the primary key; `attributes.request.time`, equal to the log's start time. */
  readonly timestamp: number
  /** The other half: a UUID made of node and request id (or line id, where there is no request id). */
  readonly id: string
  readonly node: string
  readonly request_id: string | undefined
  readonly correlation_id: string | undefined
  readonly causation_id: string | undefined
  readonly gateway: string | undefined
  readonly gateway_type: string | undefined
  readonly route: string | undefined
  readonly http_method: string | undefined
  readonly endpoint: string | undefined
  readonly query_params: unknown
  readonly request_headers: unknown
  readonly request_body: unknown
  readonly user_id: string | undefined
  readonly customer_id: string | undefined
  readonly email: string | undefined
  readonly roles: readonly string[] | undefined
  readonly trial_mode: boolean | undefined
  readonly opa_policies_evaluated: readonly string[] | undefined
  readonly opa_decisions: unknown
  readonly opa_latency_ms: number | undefined
  readonly status_code: number | undefined
  readonly response_headers: unknown
  /** Always NULL: PII (AU-2). */
  readonly response_body: undefined
  readonly error_type: string | undefined
  readonly error_message: string | undefined
  readonly total_latency_ms: number | undefined
  readonly plant_latency_ms: number | undefined
  readonly action: string | undefined
  readonly resource: string | undefined
  readonly resource_id: string | undefined
  // Ours.
  /** Of the decision: `<node>.<boot>.<sequence>`. */
  readonly event_id: string | undefined
  readonly verdict: 'pass' | 'deny' | undefined
  /** Slug of our problem, or what Envoy's details say of an answer of its own. */
  readonly problem: string | undefined
  readonly stages: unknown
  readonly degraded: readonly string[] | undefined
  readonly outcome: AuditOutcome
  readonly policy_version: string | undefined
  readonly source: string | undefined
  readonly target: string | undefined
  readonly client_address: string | undefined
  readonly decision_us: number | undefined
  readonly bytes_received: number | undefined
  readonly bytes_sent: number | undefined
  readonly upstream_host: string | undefined
  readonly upstream_attempts: number | undefined
  readonly response_flags: string | undefined
  readonly response_details: string | undefined
  /** What the upstream said it cost, micro-dollars. */
  readonly actual_cost: number | undefined
  /** Exact bytes of the spool record's JSON. */
  readonly decision_bytes: Buffer | undefined
  /** SHA-256 of them. */
  readonly decision_hash: Buffer | undefined
  /** Exact bytes of the log line, without its newline. */
  readonly completion_bytes: Buffer | undefined
  readonly completion_hash: Buffer | undefined
}

/**
 * How a request ended, as far as is known.
 * `completed`: both halves. `envoy`: Envoy answered alone (400, 404, 405, 408, 413, 431, a preflight): completion only.
 * `open`: no completion 30 s later in log time; completed later. `unknown`: the Envoy that carried it died first.
 * `skipped`: the spool was full and the route may go on (degraded). `bypass_suspect`: an upstream was contacted without a decision.
 */
export const AUDIT_OUTCOMES = ['completed', 'envoy', 'open', 'unknown', 'skipped', 'bypass_suspect'] as const
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number]

/** The columns that a late completion may fill: those that only Envoy's log knows. */
export const COMPLETION_COLUMNS = [
  'status_code',
  'response_headers',
  'error_type',
  'error_message',
  'total_latency_ms',
  'plant_latency_ms',
  'problem',
  'bytes_received',
  'bytes_sent',
  'upstream_host',
  'upstream_attempts',
  'response_flags',
  'response_details',
  'actual_cost',
  'completion_bytes',
  'completion_hash',
] as const satisfies readonly (keyof AuditRow)[]
