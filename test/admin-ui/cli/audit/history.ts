import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { Decision, StageVerdict } from '../../../../ext-authz/audit/decision.ts'
import { rowId } from '../../../../ext-authz/audit/keys.ts'
import { lateOf, rowOf } from '../../../../ext-authz/audit/projection.ts'
import { makeRoot, NO_ROOT, packLeaves } from '../../../../ext-authz/audit/roots.ts'
import { keyId } from '../../../../ext-authz/audit/signing-key.ts'
import type { KnownHead } from '../../../../ext-authz/audit/verify/chain.ts'
import type { AuditOutcome, AuditRow } from '../../../../ext-authz/store/audit-row.ts'
import type { Batch, DroppedMonth, LateCompletion, Leaf } from '../../../../ext-authz/store/batch.ts'
import type { AuditWriter } from '../../../../ext-authz/store/writer.ts'

/** Noon of a day in a month that is not the present one, epoch µs: no test's rows are "recent" by accident. */
export const NOON = Date.UTC(2026, 4, 15, 12) * 1_000

/** Of one request: what the worker decided, and what Envoy said of its end. */
export interface Halves {
  readonly decision: Buffer | undefined
  readonly line: Buffer | undefined
  readonly event: string
  readonly request: string
}

let sequence = 0

/** A request that was let go (200), or refused where `decision.problem` says so. `line: false`: it has not ended. */
export function request(
  decision: Partial<Decision> = {},
  line: Readonly<Record<string, unknown>> | false = {},
  node = 'edge-1',
): Halves {
  sequence += 1
  const id = decision.request_id ?? randomUUID()
  const event = `${node}.0123456789ab.${sequence}`
  const made = decisionOf({ at: NOON + sequence * 1_000, request_id: id, ...decision })
  const ended = line === false ? undefined : { ...lineOf(made), event, ...line }
  return { decision: bytes(made), line: ended === undefined ? undefined : bytes(ended), event, request: id }
}

/** A request that Envoy answered alone. */
export function envoyOnly(line: Readonly<Record<string, unknown>> = {}): Halves {
  sequence += 1
  const id = randomUUID()
  const made = decisionOf({ at: NOON + sequence * 1_000, request_id: id })
  const ended = {
    ...lineOf(made),
    status: 404,
    details: 'route_not_found',
    flags: 'NR',
    upstream_host: null,
    event: null,
  }
  return { decision: undefined, line: bytes({ ...ended, ...line }), event: '', request: id }
}

const bytes = (value: object) => Buffer.from(JSON.stringify(value))

export const PASSED: readonly StageVerdict[] = [
  {
    stage: 'identify',
    verdict: 'pass',
    facts: { issuer: 'https://issuer.test', remembered: true },
    source: 'shop.ts:4',
  },
  { stage: 'rbac', verdict: 'pass', facts: { permission: 'agents:read', roles: ['viewer'] }, source: 'shop.ts:9' },
]

function decisionOf(changes: Partial<Decision> & Pick<Decision, 'at' | 'request_id'>): Decision {
  return {
    v: 1,
    correlation_id: randomUUID(),
    decided_at: changes.at + 400,
    gateway: 'shop',
    gateway_type: 'PP',
    route: 'list-agents',
    policy_version: 'abcdefghijkl',
    source: 'shop.ts:7',
    method: 'GET',
    path: '/api/v1/agents',
    client_address: '203.0.113.9',
    headers: { 'user-agent': 'test' },
    identity: {
      user_id: 'anna',
      customer_id: 'acme',
      email: 'anna@acme.test',
      roles: ['viewer'],
      scopes: [],
      trial: false,
      issuer: 'https://issuer.test',
      token_id: 't-1',
    },
    stages: PASSED,
    verdict: 'pass',
    latency_us: { total: 321, identify: 100 },
    ...changes,
  }
}

function lineOf(decision: Decision) {
  return {
    line: randomUUID(),
    request_id: decision.request_id,
    at: `${Math.floor(decision.at / 1e6)}.${String(decision.at % 1e6).padStart(6, '0')}`,
    correlation_id: decision.correlation_id,
    causation_id: null,
    route: `${decision.gateway}/${decision.route}`,
    method: decision.method,
    path: decision.path,
    client_address: decision.client_address,
    status: decision.status ?? 200,
    details: decision.verdict === 'pass' ? 'via_upstream' : 'ext_authz_denied',
    flags: decision.verdict === 'pass' ? '-' : 'UAEX',
    bytes_received: 0,
    bytes_sent: 17,
    total_us: 12_345,
    upstream_us: 9_000,
    upstream_host: decision.verdict === 'pass' ? '127.0.0.1:8000' : null,
    upstream_attempts: 1,
    content_type: 'application/json',
    retry_after: null,
    actual_cost: null,
    event: null,
    audit: null,
  }
}

/** What a recorder of one node writes, batch after batch, with a key of its own. */
export class History {
  readonly node: string
  readonly key: { readonly sign: KeyObject; readonly public: KeyObject; readonly id: string }
  readonly #writer: AuditWriter
  #number = 0
  #previous = NO_ROOT

  constructor(writer: AuditWriter, node = 'edge-1') {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    this.node = node
    this.key = { sign: privateKey, public: publicKey, id: keyId(publicKey) }
    this.#writer = writer
  }

  /** The newest batch, as the recorder remembers it. */
  get head(): KnownHead {
    return { number: this.#number, root: this.#previous }
  }

  /** Writes one batch of these requests, and completions of requests that an earlier batch has; gives the rows. */
  async write(requests: readonly Halves[], late: readonly Halves[] = []): Promise<readonly AuditRow[]> {
    const rows = requests.map((halves) => this.row(halves))
    const completions = late.flatMap(({ line }) => (line === undefined ? [] : [lateOf(this.node, line)]))
    await this.writeBatch(rows, completions, [...rows.flatMap(leavesOf), ...completions.flatMap(leavesOf)])
    return rows
  }

  row({ decision, line, event }: Halves): AuditRow {
    const half = decision === undefined ? undefined : { json: decision, event }
    return rowOf(this.node, half, line, outcomeOf(decision, line))
  }

  /** One batch with leaves of one's own choice. */
  async writeBatch(
    rows: readonly AuditRow[],
    late: readonly LateCompletion[],
    leaves: readonly Leaf[],
  ): Promise<Batch> {
    const wire = packLeaves(leaves)
    const batch = { rows, late, ended: [], root: this.#root('batch', wire, leaves.length) }
    await this.#writer.write(batch)
    return batch
  }

  /** The signed entry of a month that retention drops. */
  async writeDropped(month: DroppedMonth): Promise<void> {
    const root = this.#root('dropped', Buffer.from(JSON.stringify(month)), 0)
    await this.#writer.write({ rows: [], late: [], ended: [], root })
  }

  #root(kind: 'batch' | 'dropped', leaves: Buffer, leaf_count: number) {
    this.#number += 1
    const made_at = NOON + this.#number * 5_000_000
    const { node, key } = this
    const root = makeRoot(
      { kind, node, number: this.#number, made_at, previous: this.#previous, leaves, leaf_count },
      key,
    )
    this.#previous = root.root
    return root
  }

  /** Writes the public key to a file. */
  publish(file: string): string {
    writeFileSync(file, this.key.public.export({ type: 'spki', format: 'pem' }))
    return file
  }
}

/** The leaf of a decision whose row holds another worker's. */
export function supersededLeaf(node: string, { decision, request }: Halves, hash: Buffer): Leaf {
  const { at } = JSON.parse(String(decision))
  return { kind: 'superseded', timestamp: at, id: rowId(node, request), hash }
}

/** The leaves that vouch for a row or a late completion. */
export function leavesOf(row: AuditRow | LateCompletion): readonly Leaf[] {
  const { timestamp, id } = row
  const decision = 'decision_hash' in row ? row.decision_hash : undefined
  return [
    ...(decision === undefined ? [] : [{ kind: 'decision' as const, timestamp, id, hash: decision }]),
    ...(row.completion_hash === undefined
      ? []
      : [{ kind: 'completion' as const, timestamp, id, hash: row.completion_hash }]),
  ]
}

function outcomeOf(decision: Buffer | undefined, line: Buffer | undefined): AuditOutcome {
  if (decision === undefined) return 'envoy'
  return line === undefined ? 'open' : 'completed'
}
