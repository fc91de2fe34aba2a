import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import type { Decision } from '../../ext-authz/audit/decision.ts'
import { Spool } from '../../ext-authz/audit/spool/spool.ts'
import { LIVE_LOG } from '../../runtime/access-log-names.ts'
import { createLog } from '../../runtime/log.ts'

/** What a recorder that was away finds: spools of several workers and a log, every request with both halves. */
export interface Backlog {
  readonly spools: string
  readonly accessLog: string
  readonly bytes: number
}

const WORKERS = 2
/** Requests between two waits for the disk. */
const TURN = 500
const MICROS = 1_000_000
/** Between two requests, µs. */
const APART = 1_000

/**
 * Writes a backlog of `rows` requests with the workers' own spool and lines as Envoy writes them; the newest request is from now. Three
 * in ten are refused.
 */
export async function writeBacklog(folder: string, node: string, rows: number): Promise<Backlog> {
  const spools = join(folder, 'spool')
  const accessLog = join(folder, 'access', LIVE_LOG)
  await mkdir(join(folder, 'access'), { recursive: true, mode: 0o700 })
  const workers = await Promise.all(Array.from({ length: WORKERS }, (_, index) => openSpool(spools, node, index)))
  const log = createWriteStream(accessLog, { mode: 0o600 })
  const first = Date.now() * 1000 - rows * APART
  let bytes = 0
  for (let from = 0; from < rows; from += TURN) {
    const turn = Array.from({ length: Math.min(TURN, rows - from) }, (_, at) => from + at)
    const lines = await Promise.all(turn.map((number) => both(workers, number, first + number * APART)))
    const text = lines.map(({ line }) => line).join('')
    bytes += Buffer.byteLength(text) + lines.reduce((sum, { decision }) => sum + decision, 0)
    if (!log.write(text)) await once(log, 'drain')
  }
  await Promise.all(workers.map((spool) => spool.close()))
  log.end()
  await finished(log)
  return { spools, accessLog, bytes }
}

function openSpool(spools: string, node: string, worker: number): Promise<Spool> {
  return Spool.open({
    folder: join(spools, String(worker)),
    node,
    worker,
    boot: `bbbbbbbbbbb${worker}`,
    mode: 'group',
    segmentBytes: 2 ** 26,
    segmentMs: 60_000,
    log: createLog('bench', 'warn'),
    now: Date.now,
  })
}

/** Writes the decision; gives the line that Envoy would write, and the decision's length. */
function both(workers: readonly Spool[], number: number, at: number): Promise<{ line: string; decision: number }> {
  const spool = workers[number % workers.length]
  const decision = JSON.stringify(decisionOf(number, at))
  return new Promise((resolve, reject) => {
    spool?.append(decision, (event) => {
      if (event === undefined) reject(new Error('the spool of the benchmark did not take a record'))
      else resolve({ line: `${JSON.stringify(lineOf(number, at, event))}\n`, decision: decision.length })
    })
  })
}

const REFUSED_OF_TEN = 3
const isRefused = (number: number) => number % 10 < REFUSED_OF_TEN

const idOf = (number: number) => `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`

function decisionOf(number: number, at: number): Decision {
  const common = {
    v: 1,
    at,
    request_id: idOf(number),
    correlation_id: `backlog-${number}`,
    decided_at: at + 350,
    gateway: 'partner',
    gateway_type: 'PP',
    route: 'list agents',
    policy_version: 'Zm9vYmFyYmF6',
    source: 'policies/gateways/partner.ts:17',
    method: 'GET',
    path: '/api/v1/agents',
    authority: 'gateway.example',
    client_address: '203.0.113.9',
    query: { page: '2' },
    headers: { 'user-agent': 'curl/8.14.1', accept: '*/*', authorization: '***REDACTED***' },
    identity: {
      user_id: `user-${number % 10_000}`,
      customer_id: `customer-${number % 100}`,
      email: `user-${number % 10_000}@example.com`,
      roles: ['developer'],
      scopes: ['agents:read', 'agents:write'],
      trial: false,
      issuer: 'https://issuer.bench',
      token_id: `token-${number % 10_000}`,
    },
    action: 'read',
    resource: 'agents',
    latency_us: { total: 310, identify: 40 },
  } as const
  const stages = [
    { stage: 'policy', verdict: 'pass' },
    { stage: 'address', verdict: 'skip' },
    { stage: 'identify', verdict: 'pass', facts: { issuer: 'https://issuer.bench', kid: 'bench', remembered: true } },
    { stage: 'trial', verdict: 'pass', facts: { trial: false } },
  ] as const
  const rbac = { asked: 'agents:read', held: ['developer'], roles_that_hold_it: ['admin', 'developer'] }
  if (isRefused(number)) {
    const refusal = { stage: 'rbac', verdict: 'deny', facts: rbac, remedy: 'give the caller a role' } as const
    const problem = { status: 403, problem: 'permission-denied', detail: 'The role may not do this.' } as const
    return { ...common, stages: [...stages, refusal], verdict: 'deny', ...problem }
  }
  const passed = { stage: 'rbac', verdict: 'pass', facts: rbac } as const
  return { ...common, stages: [...stages, passed], verdict: 'pass', target: 'production' }
}

/** Keys in the order in which Envoy writes them: sorted (facts/envoy.md §7). */
function lineOf(number: number, at: number, event: string): Record<string, unknown> {
  const refused = isRefused(number)
  return {
    actual_cost: null,
    at: `${Math.floor(at / MICROS)}.${String(at % MICROS).padStart(6, '0')}`,
    audit: null,
    authority: 'gateway.example',
    bytes_received: 0,
    bytes_sent: 214,
    causation_id: null,
    client_address: '203.0.113.9',
    content_type: refused ? 'application/problem+json' : 'application/json',
    correlation_id: `backlog-${number}`,
    details: refused ? 'ext_authz_denied' : 'via_upstream',
    event,
    flags: refused ? 'UAEX' : '-',
    line: `10000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`,
    method: 'GET',
    path: '/api/v1/agents',
    peer_address: '203.0.113.9',
    request_id: idOf(number),
    retry_after: null,
    route: 'partner/list agents',
    status: refused ? 403 : 200,
    total_us: 2_310,
    upstream_attempts: refused ? 0 : 1,
    upstream_host: refused ? null : '127.0.0.1:8000',
    upstream_us: refused ? null : 950,
  }
}
