import type { Logger } from 'pino'
import { alarm } from './alarm.ts'
import { denyResponse, type ProblemStyle, passResponse } from './check-response.ts'
import { decide, type Outcome, type Surroundings } from './decide.ts'
import type { KeySets } from './identity/key-sets.ts'
import { LivePolicies } from './live-policy.ts'
import type { Memo } from './memo.ts'
import type { CheckMetrics } from './metrics.ts'
import { type CheckParts, type Request, readRequest } from './request.ts'
import { type Deny, deny, outage } from './verdict.ts'

/** What the Check method is built from. */
export interface CheckOptions {
  readonly keys: KeySets
  readonly memo: Memo
  readonly metrics: CheckMetrics
  readonly log: Logger
  /** Epoch ms. */
  readonly now: () => number
  /** `CheckResponse` as wire bytes. */
  readonly encode: (response: ReturnType<typeof passResponse> | ReturnType<typeof denyResponse>) => Buffer
  readonly style: ProblemStyle
  /** Development only: problems of our own faults carry the exception and its stack (RT-7). */
  readonly showFaults: boolean
}

/**
 * `envoy.service.auth.v3.Authorization/Check` as a function of the decoded request: read, decide, answer. It answers at once where
 * nothing must be waited for. A refusal is a denied response, a fault of ours a 500 problem; only encoding can throw.
 */
export function createCheck(options: CheckOptions): (check: CheckParts) => Buffer | Promise<Buffer> {
  const policies = new LivePolicies()
  const around: Surroundings = { ...options, encodePass: (pass) => options.encode(passResponse(pass)) }
  const alarms = alarmsOf(options)
  return function check(parts) {
    const started = performance.now()
    const request = readRequest(parts)
    const outcome = outcomeOf(request, policies, around, options, alarms)
    if (!(outcome instanceof Promise)) return answer(outcome, request, started, options)
    return outcome
      .catch((error: unknown) => fault(error, request, options, alarms))
      .then((late) => answer(late, request, started, options))
  }
}

function outcomeOf(
  request: Request,
  policies: LivePolicies,
  around: Surroundings,
  options: CheckOptions,
  alarms: Alarms,
): Outcome | Promise<Outcome> {
  if (request.fault !== undefined) return request.fault
  const live = policies.of(request.policyText)
  if (live === undefined || !live.matchesPath(request.path)) return withoutPolicy(request, options, alarms)
  try {
    return decide(request, live, around)
  } catch (error) {
    return fault(error, request, options, alarms)
  }
}

function answer(outcome: Outcome, request: Request, started: number, { metrics, encode, style }: CheckOptions): Buffer {
  const pass = Buffer.isBuffer(outcome)
  metrics.observe(pass ? 'pass' : outcome.slug, performance.now() - started)
  return pass ? outcome : encode(denyResponse(outcome, request, style))
}

/** Nothing says what this route demands, or it says so for another path: closed, and somebody must look (design.md §1.2). */
function withoutPolicy(request: Request, { metrics }: CheckOptions, alarms: Alarms): Deny {
  metrics.withoutPolicy.inc()
  alarms.withoutPolicy({
    correlationId: request.correlationId,
    path: request.path,
    carried: request.policyText !== undefined,
  })
  return outage('The gateway has no policy for this route.')
}

function fault(error: unknown, request: Request, { showFaults }: CheckOptions, alarms: Alarms): Deny {
  alarms.fault({ err: error, correlationId: request.correlationId })
  if (!showFaults || !(error instanceof Error)) return deny('internal-server-error')
  return deny('internal-server-error', undefined, { exception: error.name, stack: error.stack ?? error.message })
}

type Alarms = ReturnType<typeof alarmsOf>

function alarmsOf({ log, now }: CheckOptions) {
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
