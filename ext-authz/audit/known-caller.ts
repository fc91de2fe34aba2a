import type { Identity } from '../identity/identity.ts'
import { members } from './audited-policy.ts'
import type { AuditedIdentity } from './decision.ts'

/** By which issuer, key and algorithm a token was verified. */
export interface Verification {
  /** The issuer's name in the policy. */
  readonly issuerName: string
  readonly issuer: string
  readonly kid: string | undefined
  readonly algorithm: string
}

/** The member `identity` of a record as JSON text; whole as it comes from the encoder, for a piece of a text keeps all of it alive. */
export function identityText(identity: Identity): string {
  const { trialExpiresAt } = identity
  const audited: AuditedIdentity = {
    user_id: identity.userId,
    customer_id: identity.customerId,
    email: identity.email,
    roles: identity.roles,
    scopes: identity.scopes,
    trial: identity.trial,
    ...(trialExpiresAt === undefined ? {} : { trial_expires_at: trialExpiresAt }),
    issuer: identity.issuer,
    token_id: identity.tokenId,
  }
  return JSON.stringify(audited)
}

/** The identify stage up to its fact `expires_at`: the same for all tokens of one key. */
export function verifiedText({ issuerName, issuer, kid, algorithm }: Verification): string {
  const facts = members({ issuer_name: issuerName, issuer, kid, algorithm }).slice(1)
  return `{"stage":"identify","verdict":"pass","facts":{${facts},"expires_at":`
}

/**
 * The identify stage of a request whose token was verified now or, `remembered`, before, up to what its policy says of it
 * (`identifyEnd` of an AuditedPolicy); `expires_at` is `exp`, epoch s.
 */
export function identifiedText(verified: string, { expiresAt }: Identity, remembered: boolean): string {
  return `${verified}${expiresAt / 1000},"remembered":${remembered}}`
}
