import type { JwtPolicy } from '../policies/policy.ts'
import { bearerToken } from './identity/bearer.ts'
import type { KeySets } from './identity/key-sets.ts'
import { verifyToken } from './identity/verify.ts'
import type { LivePolicy } from './live-policy.ts'
import type { KnownToken, Memo } from './memo.ts'
import { CALLER_STAGES, REQUEST_STAGES } from './pipeline.ts'
import type { Request } from './request.ts'
import { targetOf } from './target.ts'
import type { Deny, Pass } from './verdict.ts'

/** What a decision needs besides the request: the time, the issuers' keys, what was verified before, and the wire form of consent. */
export interface Surroundings {
  readonly now: () => number
  readonly keys: KeySets
  readonly memo: Memo
  readonly encodePass: (pass: Pass) => Buffer
}

/** The encoded consent, or the refusal. */
export type Outcome = Buffer | Deny

/** Decides one request under its route's policy (design.md §3); at once, unless its token must be verified first. */
export function decide(request: Request, live: LivePolicy, around: Surroundings): Outcome | Promise<Outcome> {
  for (const stage of REQUEST_STAGES) {
    const refusal = stage(request, live)
    if (refusal !== undefined) return refusal
  }
  const { identity } = live.policy
  if (identity.kind === 'open') return around.encodePass({ kind: 'pass', rbac: false })
  // Looked up before its form is checked: only a header that passed that check was ever remembered.
  const key = around.memo.key(request.authorization ?? '', live)
  const known = around.memo.get(key, around.now())
  if (known !== undefined) return answer(known, request, live, around)
  const token = bearerToken(request.authorization)
  if (typeof token !== 'string') return token
  return identify(token, key, identity, around).then((found) => answer(found, request, live, around))
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

function answer(known: KnownToken | Deny, request: Request, live: LivePolicy, around: Surroundings): Outcome {
  if (known.kind === 'deny') return known
  return around.memo.consented(known, live) ?? admit(known, request, live, around)
}

function admit(known: KnownToken, request: Request, live: LivePolicy, around: Surroundings): Outcome {
  const { identity } = known
  const now = around.now()
  for (const stage of CALLER_STAGES) {
    const refusal = stage(identity, live, request, now)
    if (refusal !== undefined) return refusal
  }
  const target = targetOf(identity, live)
  const rbac = live.policy.rbac !== undefined
  const consent = around.encodePass({ kind: 'pass', identity, rbac, ...(target === undefined ? {} : { target }) })
  around.memo.consent(known, live, consent)
  return consent
}
