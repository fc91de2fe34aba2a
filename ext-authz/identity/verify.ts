import {
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
  type ProtectedHeaderParameters,
} from 'jose'
import type { IssuerPolicy } from '../../policies/policy.ts'
import type { Verification } from '../audit/known-caller.ts'
import type { Deny } from '../verdict.ts'
import { ClaimError, identityOf } from './claims.ts'
import type { Identity } from './identity.ts'
import type { KeySet } from './key-set.ts'
import type { KeySets } from './key-sets.ts'
import { notJwt, refusalOf, strangeIssuer, type TokenParts, withoutKey } from './token-refusals.ts'

const MAX_KID = 256
const MAX_DEPTH = 20
/**
 * A base64url part that is the only spelling of its bytes (RFC 4648 §3.5): the unused bits of its last character are zero. jose takes
 * up to sixteen spellings of a signature, and whoever compares tokens by their text would miss the others.
 */
const PART = '(?:[\\w-]{4})*(?:[\\w-][AQgw]|[\\w-]{2}[AEIMQUYcgkosw048])?'
const CANONICAL = new RegExp(`^${PART}\\.${PART}\\.${PART}$`)
/** Token types that may grant access; an absent `typ` is what RFC 7519 §5.1 allows. */
const ACCESS_TOKEN_TYPES: ReadonlySet<unknown> = new Set([undefined, 'JWT', 'jwt', 'at+jwt', 'application/at+jwt'])

/** Who a token speaks for, and how long the keys that said so are believed. */
export interface VerifiedToken {
  readonly kind: 'verified'
  readonly identity: Identity
  /** `exp` plus the issuer's clock tolerance, epoch ms. */
  readonly expiresAt: number
  readonly keys: KeySet
  /** `keys.generation` when the signature was checked. */
  readonly generation: number
  readonly verification: Verification
}

/** A verified token, or why it is refused (ID-1…ID-5). */
export type Verified = VerifiedToken | Deny

/** Verifies a compact JWT against the issuers a route accepts. The issuer is picked by `iss`, its keys by `kid`. */
export async function verifyToken(
  token: string,
  issuers: readonly IssuerPolicy[],
  sets: KeySets,
  now: number,
): Promise<Verified> {
  const parts = unverified(token)
  if (parts === undefined) return notJwt()
  const issuer = issuers.find((candidate) => candidate.issuer === parts.payload.iss)
  if (issuer === undefined) return strangeIssuer(parts, issuers)
  const set = sets.of(issuer)
  const { kid, alg = '' } = parts.header
  const answer = await set.keyFor(kid)
  if (answer.at !== 'known') return withoutKey(parts, issuer, answer.at === 'unavailable')
  const { generation } = set
  try {
    const payload = await signedPayload(token, answer.find, optionsFor(issuer, now))
    const identity = identityFrom(payload, issuer, now)
    const expiresAt = identity.expiresAt + issuer.clockToleranceSeconds * 1000
    const verification = { issuerName: issuer.name, issuer: issuer.issuer, kid, algorithm: alg }
    return { kind: 'verified', identity, expiresAt, keys: set, generation, verification }
  } catch (error) {
    return refusalOf(error, parts, issuer, now)
  }
}

/** Header and payload as they claim to be, only to pick issuer and key; undefined where they are no JWT of ours. */
function unverified(token: string): TokenParts | undefined {
  if (!CANONICAL.test(token)) return undefined
  try {
    const header = decodeProtectedHeader(token)
    const payload = decodeJwt(token)
    const kid: unknown = header.kid
    const plausible = kid === undefined || (typeof kid === 'string' && kid.length > 0 && kid.length <= MAX_KID)
    return plausible && ACCESS_TOKEN_TYPES.has(header.typ) && isPlain(header) && shallow(payload, MAX_DEPTH)
      ? { header, payload }
      : undefined
  } catch {
    return undefined
  }
}

/** Not a payload that is to be read in another way: jose ignores both members where `crit` does not name them (RFC 7797, 7516 §4.1.3). */
function isPlain(header: ProtectedHeaderParameters): boolean {
  return !Object.hasOwn(header, 'b64') && !Object.hasOwn(header, 'zip')
}

/** Deep nesting would blow the stack of whatever later walks the claims (facts/threats.md §0.9). */
function shallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every((member) => shallow(member, depth - 1))
}

function optionsFor(issuer: IssuerPolicy, now: number): JWTVerifyOptions {
  return {
    algorithms: [...issuer.algorithms],
    issuer: issuer.issuer,
    ...(issuer.audience === undefined ? {} : { audience: [...issuer.audience] }),
    clockTolerance: issuer.clockToleranceSeconds,
    currentDate: new Date(now),
    requiredClaims: ['iat', 'exp', 'sub'],
  }
}

/** Tokens without a `kid` may fit several keys of a set in rotation: each is tried. */
async function signedPayload(token: string, find: JWTVerifyGetKey, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, find, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

function identityFrom(payload: JWTPayload, issuer: IssuerPolicy, now: number): Identity {
  const identity = identityOf(payload, issuer.claims)
  const issuedAt = wholeSeconds('iat', payload.iat)
  if (payload.nbf !== undefined) wholeSeconds('nbf', payload.nbf)
  if (issuedAt * 1000 > now + issuer.clockToleranceSeconds * 1000) throw new ClaimError('iat', 'is in the future')
  if (identity.expiresAt / 1000 - issuedAt > issuer.maxLifetimeSeconds) {
    throw new ClaimError('exp', `is more than ${issuer.maxLifetimeSeconds} s after iat`)
  }
  return identity
}

/** jose takes any number; a fraction or an infinity would make a token that never ends (facts/threats.md §0.9). */
function wholeSeconds(claim: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw new ClaimError(claim, 'must be a whole number of seconds since 1970')
}
