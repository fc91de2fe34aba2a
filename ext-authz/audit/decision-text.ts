import { PROBLEMS } from '../../policies/problems.ts'
import type { Outcome, Trail } from '../decide.ts'
import type { LivePolicy } from '../live-policy.ts'
import { segmentAt } from '../path-segment.ts'
import type { Request } from '../request.ts'
import { auditedBody } from './audited-body.ts'
import { members } from './audited-policy.ts'
import { headerRules, headersText, queryText } from './redaction.ts'
import { capped, quoted } from './text.ts'

/** Most characters of a path; Envoy's log has all of it. */
const MAX_PATH = 8192
/** Most characters of an id, an address, a host or a method; what is longer is refused anyway. */
const MAX_WORD = 256

/** Headers shown where no policy says more. */
const WITHOUT_POLICY = headerRules()

/** What of a Check its record is made of. */
export interface Recorded {
  readonly request: Request
  /** The policy that the Check carried; undefined where it carried none, or none that is complete. */
  readonly live: LivePolicy | undefined
  readonly trail: Trail
}

/** When a decision was made, epoch µs, and how long that took. */
export interface DecisionTime {
  readonly decidedAt: number
  readonly totalUs: number
}

/**
 * A {@link Decision} as JSON text. It is put together from texts that were written once per policy, token and consent: an object
 * and its `JSON.stringify` would cost more than the decision.
 */
export function decisionText(
  { request, live, trail }: Recorded,
  outcome: Outcome,
  { decidedAt, totalUs }: DecisionTime,
): string {
  const audited = live?.audited
  const identify = trail.identifyMs === undefined ? '' : `,"identify":${Math.round(trail.identifyMs * 1000)}`
  return (
    `{"v":1,"at":${request.at ?? decidedAt},"request_id":${word(request.requestId)},"correlation_id":${word(request.correlationId)}` +
    `${optional('causation_id', request.causationId)},"decided_at":${decidedAt}${audited?.names ?? ''}` +
    `,"method":${word(request.method)},"path":${quoted(capped(request.path, MAX_PATH))}${optional('authority', request.host)}` +
    `${optional('client_address', request.clientAddress)}${asked(request, live)}${identity(trail)}` +
    `${audited?.about ?? ''}${resourceId(request, live)},"stages":[${trail.stages}]${verdict(outcome, trail)}` +
    `,"latency_us":{"total":${totalUs}${identify}}}`
  )
}

const identity = ({ known }: Trail): string => (known === undefined ? '' : `,"identity":${known.identityText}`)

const word = (text: string): string => quoted(capped(text, MAX_WORD))

function optional(name: string, text: string | undefined): string {
  return text === undefined || text === '' ? '' : `,"${name}":${word(text)}`
}

/** What the route has recorded of the request: query, headers, body. */
function asked({ query, headers, body }: Request, live: LivePolicy | undefined): string {
  if (live === undefined) return `,"headers":${headersText(headers, WITHOUT_POLICY)}`
  const { audited } = live
  const listed = query === undefined || audited.query === undefined ? undefined : queryText(query, audited.query)
  const shown =
    body === undefined || audited.body === undefined ? '' : members({ body: auditedBody(body, audited.body) })
  return `${listed === undefined ? '' : `,"query":${listed}`},"headers":${headersText(headers, audited.headers)}${shown}`
}

function resourceId({ path }: Request, live: LivePolicy | undefined): string {
  const at = live?.policy.rbac?.idSegment
  return at === undefined ? '' : optional('resource_id', segmentAt(path, at))
}

function verdict(outcome: Outcome, { target }: Trail): string {
  if (typeof outcome === 'string') return target === undefined ? PASSED : `${PASSED},"target":"${target}"`
  const { slug, detail } = outcome
  const { status } = PROBLEMS[slug]
  return members({ verdict: 'deny', status, problem: slug, detail: detail ?? PROBLEMS[slug].detail })
}

const PASSED = ',"verdict":"pass"'
