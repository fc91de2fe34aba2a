import type { Logger } from 'pino'
import { alarm } from './alarm.ts'
import { type AnswerOptions, answering, type Inquiry } from './answer.ts'
import { READ_PASSED } from './audit/audited-policy.ts'
import { stageText } from './audit/stage-text.ts'
import { passResponse } from './check-response.ts'
import { decide, type Outcome, type Surroundings } from './decide.ts'
import type { UnaryCall } from './grpc-server.ts'
import type { KeySets } from './identity/key-sets.ts'
import { LivePolicies } from './live-policy.ts'
import type { Memo } from './memo.ts'
import { type CheckParts, readRequest } from './request.ts'
import { because, type Deny, deny, outage } from './verdict.ts'

/** What the Check method is built from. */
export interface CheckOptions extends AnswerOptions {
  readonly keys: KeySets
  readonly memo: Memo
  /** Development only: problems of our own faults carry the exception and its stack (RT-7). */
  readonly showFaults: boolean
}

/** What judging a Check needs besides the Check. */
interface Bench {
  readonly options: CheckOptions
  readonly around: Surroundings
  readonly alarms: ReturnType<typeof alarmsOf>
}

/**
 * `envoy.service.auth.v3.Authorization/Check` as a function of the decoded request: read, decide, record, answer. A refusal is a
 * denied response, a fault of ours a 500 problem; only encoding can fail. `arrived` is when the Check came, by `performance.now()`.
 */
export function createCheck(options: CheckOptions): (check: CheckParts, call: UnaryCall, arrived?: number) => void {
  const policies = new LivePolicies()
  const encodePass: Surroundings['encodePass'] = (pass) => options.encode(passResponse(pass)).toString('latin1')
  const bench: Bench = { options, around: { ...options, encodePass }, alarms: alarmsOf(options) }
  const answer = answering(options)
  return function check(parts, call, arrived = performance.now()) {
    const request = readRequest(parts)
    const live = policies.of(request.policyText)
    const trail = { stages: '', known: undefined, target: undefined, identifyMs: undefined }
    const inquiry: Inquiry = { request, live, trail, arrived, read: performance.now() }
    const outcome = judged(inquiry, bench)
    if (outcome instanceof Promise) {
      outcome
        .catch((error: unknown) => fault(error, inquiry, bench))
        .then((late) => answer(late, inquiry, call))
        .catch((error: unknown) => call.fail(error))
    } else answer(outcome, inquiry, call)
  }
}

function judged(inquiry: Inquiry, bench: Bench): Outcome | Promise<Outcome> {
  const { request, live, trail } = inquiry
  if (request.fault !== undefined) {
    trail.stages = stageText('read', request.fault)
    return request.fault
  }
  if (live === undefined || !live.matchesPath(request.path)) return withoutPolicy(inquiry, bench)
  trail.stages = live.audited.opening
  try {
    return decide(request, live, bench.around, trail)
  } catch (error) {
    return fault(error, inquiry, bench)
  }
}

/** Nothing says what this route demands, or it says so for another path: closed, and somebody must look (design.md §1.2). */
function withoutPolicy({ request, live, trail }: Inquiry, { options, alarms }: Bench): Deny {
  const carried = request.policyText !== undefined
  options.metrics.withoutPolicy.inc()
  alarms.withoutPolicy({ correlationId: request.correlationId, path: request.path, carried })
  const facts = { carried, complete: live !== undefined, path: live?.policy.path }
  const refusal = because(
    outage('The gateway has no policy for this route.'),
    facts,
    'bring xds-server and ext-authz to the same version',
  )
  trail.stages = `${READ_PASSED},${stageText('policy', refusal)}`
  return refusal
}

/** The facts name the exception only: its message may quote what the client sent. */
function fault(error: unknown, { request, trail }: Inquiry, { options, alarms }: Bench): Deny {
  alarms.fault({ err: error, correlationId: request.correlationId })
  const shown =
    options.showFaults && error instanceof Error
      ? { exception: error.name, stack: error.stack ?? error.message }
      : undefined
  const refusal = because(
    deny('internal-server-error', undefined, shown),
    { exception: error instanceof Error ? error.name : typeof error },
    'mend the gateway: the log of ext-authz has the exception under this correlation id',
  )
  trail.stages += `,${stageText('fault', refusal)}`
  return refusal
}

function alarmsOf({ log, now }: { readonly log: Logger; readonly now: () => number }) {
  return {
    withoutPolicy: alarm<{ correlationId: string; path: string; carried: boolean }>(now, (facts) =>
      log.error(
        facts,
        'ALARM: a Check came without a complete policy for its path; answered 503. Compare the versions of xds-server and ext-authz.',
      ),
    ),
    fault: alarm<{ err: unknown; correlationId: string }>(now, (facts) =>
      log.error(facts, 'a Check failed; answered 500'),
    ),
  }
}
