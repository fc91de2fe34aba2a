import { errors, type JWTPayload, type ProtectedHeaderParameters } from 'jose'
import type { IssuerPolicy } from '../../policies/policy.ts'
import { capped } from '../audit/text.ts'
import { because, type Deny, deny, type Facts, outage } from '../verdict.ts'
import { ClaimError } from './claims.ts'

/** Most characters of a claim, and most audiences, among the facts of a refusal. */
const MAX_TEXT = 200
const MAX_AUDIENCES = 8

/** Header and payload of a token that is not verified: what it says of itself. */
export interface TokenParts {
  readonly header: ProtectedHeaderParameters
  readonly payload: JWTPayload
}

/** It cannot be read as an access token. */
export function notJwt(): Deny {
  const rule =
    'three canonical base64url parts; header and payload JSON objects; typ absent, JWT or at+jwt; no b64, no zip'
  return because(deny('invalid-token', 'The token is not a JWT.'), { rule }, `send an access token that is: ${rule}`)
}

/** Its `iss` is none that the route accepts (ID-3). */
export function strangeIssuer(parts: TokenParts, issuers: readonly IssuerPolicy[]): Deny {
  const accepted = issuers.map(({ issuer }) => issuer)
  const refusal = deny('invalid-token', 'The token is from an issuer this route does not accept.')
  return because(refusal, { ...claimed(parts), accepted }, `the issuer is not one of: ${accepted.join(', ')}`)
}

/** Its issuer does not have its key, or cannot be asked (`unavailable`): only then the client may be right (ID-4). */
export function withoutKey(parts: TokenParts, { jwks, name }: IssuerPolicy, unavailable: boolean): Deny {
  const facts = { ...claimed(parts), issuer_name: name, jwks }
  if (unavailable) {
    const down = outage('The issuer of the token cannot be asked for its keys now.')
    return because(down, facts, `make ${jwks} answer: the keys of ${name} could not be fetched`)
  }
  const { kid } = parts.header
  const wanted = typeof kid === 'string' ? `with kid ${capped(kid, MAX_TEXT)}` : 'without kid'
  const refusal = deny('invalid-token', 'The token is signed with a key its issuer does not have.')
  return because(refusal, facts, `${jwks} has no key for a token ${wanted}: get a new token, or publish the key there`)
}

/** What verification threw, as a refusal; throws it again where it is a bug of ours. */
export function refusalOf(error: unknown, parts: TokenParts, issuer: IssuerPolicy, now: number): Deny {
  const facts = claimed(parts)
  if (error instanceof ClaimError) {
    const rule = error.message
    const refusal = deny('invalid-token', `The token was refused: ${rule}.`, { claim: error.claim })
    return because(refusal, { ...facts, claim: error.claim, rule }, `have ${issuer.name} issue other tokens: ${rule}`)
  }
  if (error instanceof errors.JWTExpired) {
    const ago = Math.ceil(now / 1000 - (parts.payload.exp ?? 0))
    return because(deny('token-expired'), facts, `the token expired ${ago} s before: get a new one`)
  }
  if (error instanceof errors.JWTClaimValidationFailed) return unacceptableClaim(error, facts, issuer)
  // Every other jose error is a token that is not what it says it is; anything else is a bug and must surface as one.
  if (error instanceof errors.JOSEError) {
    return because(deny('invalid-token'), { ...facts, rule: error.code }, REMEDIES.get(error.code) ?? NEW_TOKEN)
  }
  if (error instanceof TypeError) return because(deny('invalid-token'), facts, NEW_TOKEN)
  throw error
}

function unacceptableClaim(
  { claim, reason }: errors.JWTClaimValidationFailed,
  facts: Facts,
  issuer: IssuerPolicy,
): Deny {
  const rule = `claim "${claim}" ${reason === 'missing' ? 'is missing' : 'is not acceptable'}`
  const refusal = deny('invalid-token', `The token was refused: ${rule}.`, { claim })
  const accepted = claim === 'aud' ? issuer.audience : undefined
  if (accepted === undefined)
    return because(refusal, { ...facts, claim, rule }, `have ${issuer.name} issue other tokens: ${rule}`)
  return because(refusal, { ...facts, claim, rule, accepted }, `the audience is not one of: ${accepted.join(', ')}`)
}

const NEW_TOKEN = 'get a new token from the issuer and send it as it is'

/** By jose's codes. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['ERR_JWS_SIGNATURE_VERIFICATION_FAILED', `the signature does not fit the issuer’s key: ${NEW_TOKEN}`],
  ['ERR_JOSE_ALG_NOT_ALLOWED', 'have the issuer sign with an algorithm that the policy lists for it'],
])

/** Issuer, key, algorithm, audience and times of a token; nobody vouches for them, and nothing else of the token is kept (OB-8). */
function claimed({ header, payload }: TokenParts): Facts {
  return {
    claimed: {
      issuer: shown(payload.iss),
      audience: shown(payload.aud),
      issued_at: shown(payload.iat),
      expires_at: shown(payload.exp),
      kid: shown(header.kid),
      algorithm: shown(header.alg),
      type: shown(header.typ),
    },
  }
}

/** A claim may be anything in the hands of an attacker. */
function shown(value: unknown): unknown {
  if (typeof value === 'string') return capped(value, MAX_TEXT)
  if (typeof value !== 'object') return value
  return Array.isArray(value) ? value.slice(0, MAX_AUDIENCES).map(flat) : 'an object'
}

function flat(value: unknown): unknown {
  return typeof value === 'object' ? 'an object' : shown(value)
}
