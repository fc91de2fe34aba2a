import { createHash, randomUUID } from 'node:crypto'
import { NOTHING_CAME } from '../../../ext-authz/audit/completion-columns.ts'
import type { AuditRow } from '../../../ext-authz/store/audit-row.ts'
import type { Batch, BatchRoot, LateCompletion } from '../../../ext-authz/store/batch.ts'

/** 2026-11-15T12:34:56.789012Z, epoch µs. */
export const NOON = Date.UTC(2026, 10, 15, 12, 34, 56, 789) * 1000 + 12

export const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()

/** A whole row: every column has a value that is not its type's default. */
export function fullRow(changes: Partial<AuditRow> = {}): AuditRow {
  const decision = Buffer.from(`{"v":1,"path":"/ö","n":"${randomUUID()}"}`)
  const completion = Buffer.from('{"status":200}')
  return {
    timestamp: NOON,
    id: randomUUID(),
    node: 'gw-1',
    request_id: randomUUID(),
    correlation_id: randomUUID(),
    causation_id: 'client-7',
    gateway: 'marketing',
    gateway_type: 'agent',
    route: 'marketing/content',
    http_method: 'POST',
    endpoint: '/api/marketing/content',
    query_params: { page: '2' },
    request_headers: { 'user-agent': 'a "quoted"\\ back\tslash\n', authorization: '***REDACTED***' },
    request_body: { bytes: 2, json: null },
    user_id: 'u1',
    customer_id: 'c1',
    email: 'ü@example.org',
    roles: ['editor', '', 'a,b', '"q"', 'NULL', '{}', '\\'],
    trial_mode: false,
    opa_policies_evaluated: [],
    opa_decisions: [{ stage: 'rbac', verdict: 'pass' }],
    opa_latency_ms: 0.123,
    status_code: 200,
    response_headers: { 'content-type': 'application/json' },
    response_body: undefined,
    error_type: 'none',
    error_message: 'line\nbreak\r\\.\\N',
    total_latency_ms: 12.345,
    plant_latency_ms: 10.001,
    action: 'create',
    resource: 'content',
    resource_id: '42',
    event_id: 'gw-1.b1.7',
    verdict: 'pass',
    problem: 'none',
    stages: [{ stage: 'identify', verdict: 'pass', facts: { ключ: [1, 2.5, true, null] } }],
    degraded: ['plan'],
    outcome: 'completed',
    policy_version: 'abcdefghijkl',
    source: 'gateways/marketing.ts:12',
    target: 'production',
    client_address: '203.0.113.9',
    decision_us: 321,
    bytes_received: 5_000_000_000,
    bytes_sent: 0,
    upstream_host: '10.0.0.1:80',
    upstream_attempts: 1,
    response_flags: '-',
    response_details: 'via_upstream',
    actual_cost: Number.MAX_SAFE_INTEGER,
    decision_bytes: decision,
    decision_hash: sha256(decision),
    completion_bytes: completion,
    completion_hash: sha256(completion),
    ...changes,
  }
}

/** A row whose completion has not come. */
export const openRow = (changes: Partial<AuditRow> = {}): AuditRow =>
  fullRow({
    outcome: 'open',
    ...NOTHING_CAME,
    ...changes,
  })

/** The completion of a row. */
export function completionOf(row: AuditRow, changes: Partial<LateCompletion> = {}): LateCompletion {
  const bytes = Buffer.from(`{"status":201,"of":"${row.id}"}`)
  return {
    timestamp: row.timestamp,
    id: row.id,
    outcome: 'completed',
    status_code: 201,
    response_headers: { 'retry-after': '1' },
    error_type: undefined,
    error_message: undefined,
    total_latency_ms: 40_000.125,
    plant_latency_ms: 39_999.5,
    problem: undefined,
    bytes_received: 1,
    bytes_sent: 2,
    upstream_host: '10.0.0.2:80',
    upstream_attempts: 2,
    response_flags: 'UT',
    response_details: 'response_timeout',
    actual_cost: 17,
    completion_bytes: bytes,
    completion_hash: sha256(bytes),
    ...changes,
  }
}

/** A root that is well-formed, not true. */
export const rootOf = (number: number, changes: Partial<BatchRoot> = {}): BatchRoot => ({
  kind: 'batch',
  node: 'gw-1',
  number,
  made_at: NOON + 5,
  previous: Buffer.alloc(32, number - 1),
  leaves: Buffer.from([0, 1, 2, 255]),
  leaf_count: 1,
  root: Buffer.alloc(32, number),
  signature: Buffer.from('signature'),
  key_id: '0123456789abcdef',
  ...changes,
})

let numbers = 0

/** A batch of the test file's next root, unless one is given. */
export function batchOf(parts: Partial<Batch>): Batch {
  numbers += 1
  return { rows: [], late: [], ended: [], root: rootOf(numbers), ...parts }
}
