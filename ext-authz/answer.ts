import type { Logger } from 'pino'
import { alarm } from './alarm.ts'
import { decisionText } from './audit/decision-text.ts'
import { AUDIT_MARKS, eventMark } from './audit/mark.ts'
import { denyResponse, type ProblemStyle, type passResponse } from './check-response.ts'
import type { Outcome, Trail } from './decide.ts'
import type { UnaryCall } from './grpc-server.ts'
import type { LivePolicy } from './live-policy.ts'
import type { CheckMetrics } from './metrics.ts'
import type { Request } from './request.ts'
import { outage } from './verdict.ts'

/** What answers are made with. */
export interface AnswerOptions {
  /** Where a decision is written: `written` gets its event id, undefined where it could not be. */
  readonly spool: { append(json: string, written: (event: string | undefined) => void): void }
  /** How full the room of spool and access log is; `full` from 95 % on. */
  readonly quota: { level(): 'ok' | 'warn' | 'high' | 'full' }
  readonly metrics: CheckMetrics
  readonly log: Logger
  /** Epoch ms. */
  readonly now: () => number
  /** `CheckResponse` as wire bytes. */
  readonly encode: (response: ReturnType<typeof passResponse> | ReturnType<typeof denyResponse>) => Buffer
  readonly style: ProblemStyle
}

/** One Check on its way to an answer. Times are `performance.now()`. */
export interface Inquiry {
  readonly request: Request
  /** The policy that the Check carried; undefined where it carried none, or none that is complete. */
  readonly live: LivePolicy | undefined
  readonly trail: Trail
  readonly arrived: number
  /** When the request had been read. */
  readonly read: number
}

/**
 * Answers Checks: the decision is written first, and no answer leaves before it is (design.md §1.6). Where it cannot be written the
 * route's policy decides: 503, or on its way and counted (AU-1).
 */
export function answering(options: AnswerOptions): (outcome: Outcome, inquiry: Inquiry, call: UnaryCall) => void {
  const alarms = alarmsOf(options)
  return function answer(outcome, inquiry, call) {
    const decided = performance.now()
    const text = recordOf(outcome, inquiry, decided, options, alarms)
    function written(event: string | undefined): void {
      try {
        call.send(answerOf(outcome, { inquiry, decided, event }, options, alarms))
      } catch (error) {
        call.fail(error)
      }
    }
    if (text === undefined) written(undefined)
    else options.spool.append(text, written)
  }
}

/** The record of a decision; undefined where none can be written. */
function recordOf(
  outcome: Outcome,
  inquiry: Inquiry,
  decided: number,
  { quota, now }: AnswerOptions,
  alarms: Alarms,
): string | undefined {
  if (quota.level() === 'full') return undefined
  const totalUs = Math.round((decided - inquiry.arrived) * 1000)
  try {
    return decisionText(inquiry, outcome, { decidedAt: Math.round(now() * 1000), totalUs })
  } catch (err) {
    // A fault of ours, for one request: it ends as one that could not be written.
    alarms.unwritable({ err, correlationId: inquiry.request.correlationId })
    return undefined
  }
}

/** What became of a decision: `event` is its event id, undefined where it was not written. */
interface Filed {
  readonly inquiry: Inquiry
  readonly decided: number
  readonly event: string | undefined
}

/** Counts the answer, says it where that is wanted, and gives its bytes. */
function answerOf(
  outcome: Outcome,
  { inquiry, decided, event }: Filed,
  options: AnswerOptions,
  alarms: Alarms,
): Buffer | string {
  const { request, live, trail, arrived, read } = inquiry
  const answered = event === undefined ? unrecorded(outcome, live) : outcome
  options.metrics.observe(answered, { arrived, read, decided, identifyMs: trail.identifyMs })
  sayDecision(answered, event, inquiry, options)
  if (event !== undefined) return bytesOf(answered, eventMark(event), inquiry, options)
  const audit = answered === outcome ? 'skipped' : 'refused'
  options.metrics.unrecorded(audit)
  alarms.unrecorded({ correlationId: request.correlationId, route: live?.policy.route, audit })
  return bytesOf(answered, AUDIT_MARKS[audit], inquiry, options)
}

/** A refusal stays what it is. What would pass goes on only where the route says so (AZ-7). */
function unrecorded(outcome: Outcome, live: LivePolicy | undefined): Outcome {
  if (typeof outcome !== 'string' || live?.policy.audit.onFailure === 'degrade') return outcome
  return outage('The gateway cannot take this request now; try again shortly.')
}

function bytesOf(
  answered: Outcome,
  mark: string,
  { request }: Inquiry,
  { encode, style }: AnswerOptions,
): Buffer | string {
  if (typeof answered === 'string') return answered + mark
  return Buffer.concat([encode(denyResponse(answered, request, style)), Buffer.from(mark, 'latin1')])
}

function sayDecision(
  answered: Outcome,
  event: string | undefined,
  { request, live }: Inquiry,
  { log }: AnswerOptions,
): void {
  if (!log.isLevelEnabled('debug')) return
  const { requestId, correlationId, method, path } = request
  const verdict = typeof answered === 'string' ? 'pass' : answered.slug
  log.debug({ event, requestId, correlationId, route: live?.policy.route, method, path, verdict }, 'decided')
}

type Alarms = ReturnType<typeof alarmsOf>

function alarmsOf({ log, now }: AnswerOptions) {
  return {
    unrecorded: alarm<{ correlationId: string; route: string | undefined; audit: string }>(now, (facts) =>
      log.error(
        facts,
        'ALARM: decisions are not recorded: the spool is full or failing. Routes with audit.onFailure deny answer 503; make room.',
      ),
    ),
    unwritable: alarm<{ err: unknown; correlationId: string }>(now, (facts) =>
      log.error(facts, 'ALARM: a decision could not be put into words and is not recorded; the fault is ours'),
    ),
  }
}
