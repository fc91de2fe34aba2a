import { ACCESS_LOG_FORMAT } from '../../../envoy/access-log.ts'
import type { Decision } from '../../../ext-authz/audit/decision.ts'

/** Beginning of the requests that tests make, epoch µs. */
export const BEGINNING = Date.UTC(2026, 9, 15, 12) * 1000

/** A decision as a worker writes it. */
export function decisionJson(requestId: string, changes: Partial<Decision> = {}): string {
  const at = changes.at ?? BEGINNING
  const decision: Decision = {
    v: 1,
    at,
    request_id: requestId,
    correlation_id: `correlation-${requestId}`,
    decided_at: at + 1_000,
    gateway: 'partner',
    gateway_type: 'PP',
    route: 'list agents',
    policy_version: 'abcdefghijkl',
    source: 'policies/gateways/partner.ts:12',
    method: 'GET',
    path: '/api/v1/agents',
    headers: { 'user-agent': 'test', authorization: '***REDACTED***' },
    identity: {
      user_id: 'user-1',
      customer_id: 'customer-1',
      email: 'user@example.com',
      roles: ['viewer'],
      scopes: [],
      trial: false,
      issuer: 'waooaw',
      token_id: 'token-1',
    },
    action: 'list',
    resource: 'agents',
    stages: [
      { stage: 'address', verdict: 'skip' },
      { stage: 'identify', verdict: 'pass', facts: { issuer: 'waooaw' } },
      { stage: 'rbac', verdict: 'pass', facts: { permission: 'agents:list' } },
    ],
    verdict: 'pass',
    latency_us: { total: 180, identify: 90 },
    ...changes,
  }
  return JSON.stringify(decision)
}

/** Members of a log line by their keys. */
export type LineMembers = Partial<Record<Exclude<keyof typeof ACCESS_LOG_FORMAT, 'at'>, unknown>>

const NOTHING = Object.fromEntries(Object.keys(ACCESS_LOG_FORMAT).map((key) => [key, null]))

/** A line of Envoy's log, without its newline. `at`: epoch µs. */
export function lineJson(requestId: string | null, { at = BEGINNING, ...members }: LineMembers & { at?: number } = {}) {
  return JSON.stringify({
    ...NOTHING,
    line: `line-${requestId}-${at}`,
    request_id: requestId,
    at: logTime(at),
    correlation_id: requestId === null ? null : `correlation-${requestId}`,
    route: 'partner/list agents',
    method: 'GET',
    path: '/api/v1/agents',
    peer_address: '127.0.0.1',
    status: 200,
    details: 'via_upstream',
    flags: '-',
    bytes_received: 0,
    bytes_sent: 42,
    total_us: 5_000,
    upstream_us: 3_000,
    upstream_host: '127.0.0.1:8000',
    upstream_attempts: 1,
    content_type: 'application/json',
    ...members,
  })
}

/** Epoch µs as Envoy's `%START_TIME(%s.%6f)%`. */
export const logTime = (micros: number): string =>
  `${Math.floor(micros / 1_000_000)}.${String(micros % 1_000_000).padStart(6, '0')}`
