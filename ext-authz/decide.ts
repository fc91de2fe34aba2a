import type { JwtPolicy } from '../policies/policy.ts'
import { identifiedText } from './audit/known-caller.ts'
import { stageText } from './audit/stage-text.ts'
import { bearerToken } from './identity/bearer.ts'
import type { KeySets } from './identity/key-sets.ts'
import { verifyToken } from './identity/verify.ts'
import type { LivePolicy } from './live-policy.ts'
import type { KnownToken, Memo } from './memo.ts'
import { CALLER_STAGES, IDENTIFY, REQUEST_STAGES, type StageName, TARGET } from './pipeline.ts'
import type { Request } from './request.ts'
import { targetFinding, targetOf } from './target.ts'
import type { Deny, Finding, Pass, TargetName } from './verdict.ts'

/** What a decision needs besides the request: the time, the issuers' keys, what was verified before, and the wire form of consent. */
export interface Surroundings {
  /** Epoch ms. */
  readonly now: () => number
  readonly keys: KeySets
  readonly memo: Memo
  /** The answer's bytes, one character each. */
  readonly encodePass: (pass: Pass) => string
}

/** The encoded consent, one character a byte, or the refusal. */
export type Outcome = string | Deny

/** What a decision has found so far; it grows stage by stage and is what is recorded, also when a stage throws. */
export interface Trail {
  /** JSON text of the stages that have run, joined by commas. */
  stages: string
  /** The verified caller. */
  known: KnownToken | undefined
  target: TargetName | undefined
  /** How long the token was verified, ms; undefined where it was remembered, or there is none. */
  identifyMs: number | undefined
}

/** One request before its judges. */
interface Case {
  readonly request: Request
  readonly live: LivePolicy
  readonly around: Surroundings
  readonly trail: Trail
}

/** Decides one request under its route's policy (design.md §3); at once, unless its token must be verified first. */
export function decide(
  request: Request,
  live: LivePolicy,
  around: Surroundings,
  trail: Trail,
): Outcome | Promise<Outcome> {
  for (const stage of REQUEST_STAGES) {
    const finding = stage.judge(request, live)
    note(trail, stage, finding, live)
    if (finding.kind === 'deny') return finding
  }
  const { identity } = live.policy
  if (identity.kind === 'open') {
    note(trail, IDENTIFY, { kind: 'skip', facts: { open: identity.reason } }, live)
    return around.encodePass({ kind: 'pass', rbac: false })
  }
  return decideForCaller({ request, live, around, trail }, identity)
}

function note(trail: Trail, { name, rule }: StageName, finding: Finding, { policy }: LivePolicy): void {
  trail.stages += `,${stageText(name, finding, rule === undefined ? undefined : policy.sources?.[rule])}`
}

function decideForCaller(on: Case, policy: JwtPolicy): Outcome | Promise<Outcome> {
  const { request, live, around, trail } = on
  // Looked up before its form is checked: only a header that passed that check was ever remembered.
  const key = around.memo.key(request.authorization ?? '', live)
  const known = around.memo.get(key, around.now())
  if (known !== undefined) return admit(known, true, on)
  const token = bearerToken(request.authorization)
  if (typeof token !== 'string') return refusedCaller(token, on)
  const began = performance.now()
  return identify(token, key, policy, around).then((found) => {
    trail.identifyMs = performance.now() - began
    return found.kind === 'deny' ? refusedCaller(found, on) : admit(found, false, on)
  })
}

function refusedCaller(refusal: Deny, { trail, live }: Case): Deny {
  note(trail, IDENTIFY, refusal, live)
  return refusal
}

async function identify(
  token: string,
  key: string,
  policy: JwtPolicy,
  around: Surroundings,
): Promise<KnownToken | Deny> {
  const verified = await around.memo.once(key, () => verifyToken(token, policy.issuers, around.keys, around.now()))
  return verified.kind === 'deny' ? verified : around.memo.remember(key, verified, around.now())
}

/** The stages on a caller who is known; what they said of this token under this policy is remembered with the answer. */
function admit(known: KnownToken, remembered: boolean, on: Case): Outcome {
  const { live, around, trail } = on
  trail.known = known
  trail.stages += `,${identifiedText(known.verifiedText, known.identity, remembered)}${live.audited.identifyEnd}`
  const consent = around.memo.consented(known, live)
  if (consent === undefined) return admitNow(known, on)
  trail.stages += consent.stages
  trail.target = consent.target
  return consent.answer
}

function admitNow(known: KnownToken, { request, live, around, trail }: Case): Outcome {
  const { identity } = known
  const before = trail.stages.length
  const now = around.now()
  for (const stage of CALLER_STAGES) {
    const finding = stage.judge(identity, live, request, now)
    note(trail, stage, finding, live)
    if (finding.kind === 'deny') return finding
  }
  const target = targetOf(identity, live)
  trail.target = target
  note(trail, TARGET, targetFinding(target), live)
  const rbac = live.policy.rbac !== undefined
  const answer = around.encodePass({ kind: 'pass', identity, rbac, ...(target === undefined ? {} : { target }) })
  around.memo.consent(known, { live, answer, stages: trail.stages.slice(before), target })
  return answer
}
