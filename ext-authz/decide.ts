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

/** Decides one request under its route's policy: the encoded consent, or the refusal (design.md §3). */
export async function decide(request: Request, live: LivePolicy, around: Surroundings): Promise<Buffer | Deny> {
  for (const stage of REQUEST_STAGES) {
    const refusal = stage(request, live)
    if (refusal !== undefined) return refusal
  }
  const { identity } = live.policy
  if (identity.kind === 'open') return around.encodePass({ kind: 'pass', rbac: false })
  const token = bearerToken(request.authorization)
  if (typeof token !== 'string') return token
  const key = around.memo.key(token, live)
  const known = around.memo.get(key, around.now()) ?? (await identify(token, key, identity, around))
  if (known.kind === 'deny') return known
  return known.consents.get(live) ?? admit(known, request, live, around)
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

function admit(known: KnownToken, request: Request, live: LivePolicy, around: Surroundings): Buffer | Deny {
  const { identity } = known
  const now = around.now()
  for (const stage of CALLER_STAGES) {
    const refusal = stage(identity, live, request, now)
    if (refusal !== undefined) return refusal
  }
  const target = targetOf(identity, live)
  const rbac = live.policy.rbac !== undefined
  const answer = around.encodePass({ kind: 'pass', identity, rbac, ...(target === undefined ? {} : { target }) })
  around.memo.consent(known, live, answer)
  return answer
}
