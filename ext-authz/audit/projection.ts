import type { AuditOutcome, AuditRow } from '../store/audit-row.ts'
import type { LateCompletion } from '../store/batch.ts'
import { type Completion, isCompletion, readCompletion } from './completion.ts'
import { type CompletionColumns, completionColumns, millis, NOTHING_CAME, short } from './completion-columns.ts'
import type { Decision, StageVerdict } from './decision.ts'
import { halfHash, rowId } from './keys.ts'
import { mayNeedEscaping, visibleJson } from './visible.ts'

/** A decision as the spool gave it: the record's exact JSON and its event id. */
export interface DecisionHalf {
  readonly json: Buffer
  readonly event: string
}

/** Thrown for halves that make no row: neither is there, or one of them cannot be read. Carries nothing of what they say. */
export class HalfError extends Error {
  override readonly name = 'HalfError'
}

/**
 * The row that the halves of one request make: a pure function of their bytes, so that `audit verify` can compute every column anew.
 * With a decision, everything that was known before the answer comes from the decision alone, and the columns of
 * {@link COMPLETION_COLUMNS} are those that {@link lateOf} gives: a row looks the same whether its halves came together or apart.
 * Throws {@link HalfError}.
 */
export function rowOf(
  node: string,
  decision: DecisionHalf | undefined,
  line: Buffer | undefined,
  outcome: AuditOutcome,
): AuditRow {
  const completion = line === undefined ? undefined : completionOf(line)
  const came = completion === undefined || line === undefined ? NOTHING_CAME : completionColumns(completion, line)
  if (decision !== undefined) return decided(node, decision, came, outcome)
  if (completion !== undefined) return undecided(node, completion, came, outcome)
  throw new HalfError('a row needs a decision or a completion')
}

/** What a completion adds to the row of a decision that was written `open` before it came. Throws {@link HalfError}. */
export function lateOf(node: string, line: Buffer): LateCompletion {
  const completion = completionOf(line)
  const { at, requestId, line: lineId } = completion
  return {
    timestamp: at,
    id: rowId(node, requestId ?? lineId),
    outcome: 'completed',
    ...completionColumns(completion, line),
  }
}

/** The JSON of a spool record as an object. Throws {@link HalfError} where it is none or lacks what makes the row's key. */
export function readDecision(json: Buffer): Decision {
  const decision = parsed(json)
  if (decision === undefined || !Number.isSafeInteger(decision.at) || typeof decision.request_id !== 'string') {
    throw new HalfError('the decision is no JSON object with "at" (whole µs) and "request_id"')
  }
  return decision
}

function parsed(json: Buffer): Decision | undefined {
  const text = json.toString('utf8')
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    return (mayNeedEscaping(text) ? visibleJson(value) : value) as Decision
  } catch {
    return undefined
  }
}

function completionOf(line: Buffer): Completion {
  const read = readCompletion(line)
  if (isCompletion(read)) return read
  throw new HalfError(`a line of Envoy’s log cannot be read: ${read.unreadable}`)
}

function decided(node: string, half: DecisionHalf, came: CompletionColumns, outcome: AuditOutcome): AuditRow {
  const decision = readDecision(half.json)
  const { identity, latency_us: latency } = decision
  return {
    ...came,
    timestamp: decision.at,
    id: rowId(node, decision.request_id),
    node,
    request_id: short(decision.request_id),
    correlation_id: short(decision.correlation_id),
    causation_id: short(decision.causation_id),
    gateway: decision.gateway,
    gateway_type: decision.gateway_type,
    route: short(decision.route),
    http_method: decision.method,
    endpoint: decision.path,
    query_params: decision.query,
    request_headers: decision.headers,
    request_body: decision.body,
    user_id: short(identity?.user_id),
    customer_id: short(identity?.customer_id),
    email: identity?.email,
    roles: identity?.roles,
    trial_mode: identity?.trial,
    opa_policies_evaluated: decision.stages.filter(({ verdict }) => verdict !== 'skip').map(({ stage }) => stage),
    opa_decisions: verdicts(decision.stages),
    opa_latency_ms: millis(latency.total - (latency.identify ?? 0)),
    status_code: came.status_code ?? decision.status,
    response_body: undefined,
    error_type: decision.problem ?? came.error_type,
    error_message: decision.detail ?? came.error_message,
    action: decision.action,
    resource: decision.resource,
    resource_id: decision.resource_id,
    event_id: half.event,
    verdict: decision.verdict,
    problem: decision.problem ?? came.problem,
    stages: decision.stages,
    degraded: decision.degraded,
    outcome,
    policy_version: decision.policy_version,
    source: decision.source,
    target: decision.target,
    client_address: decision.client_address,
    decision_us: latency.total,
    decision_bytes: half.json,
    decision_hash: halfHash(half.json),
  }
}

function undecided(node: string, completion: Completion, came: CompletionColumns, outcome: AuditOutcome): AuditRow {
  const { route = '' } = completion
  const slash = route.indexOf('/')
  return {
    ...NOTHING_DECIDED,
    ...came,
    timestamp: completion.at,
    id: rowId(node, completion.requestId ?? completion.line),
    node,
    request_id: short(completion.requestId),
    correlation_id: short(completion.correlationId),
    causation_id: short(completion.causationId),
    gateway: slash > 0 ? route.slice(0, slash) : undefined,
    route: route === '' ? undefined : short(route.slice(slash + 1)),
    http_method: completion.method,
    endpoint: completion.path,
    event_id: short(completion.event),
    degraded: completion.audit === 'skipped' ? ['audit'] : undefined,
    outcome,
    client_address: completion.clientAddress,
  }
}

/** `{ identify: 'pass', rbac: 'deny' }` */
function verdicts(stages: readonly StageVerdict[]): Readonly<Record<string, string>> {
  return Object.fromEntries(stages.map(({ stage, verdict }) => [stage, verdict]))
}

const NOTHING_DECIDED = {
  gateway_type: undefined,
  query_params: undefined,
  request_headers: undefined,
  request_body: undefined,
  user_id: undefined,
  customer_id: undefined,
  email: undefined,
  roles: undefined,
  trial_mode: undefined,
  opa_policies_evaluated: undefined,
  opa_decisions: undefined,
  opa_latency_ms: undefined,
  response_body: undefined,
  action: undefined,
  resource: undefined,
  resource_id: undefined,
  verdict: undefined,
  stages: undefined,
  policy_version: undefined,
  source: undefined,
  target: undefined,
  decision_us: undefined,
  decision_bytes: undefined,
  decision_hash: undefined,
} as const
