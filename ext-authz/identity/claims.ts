import type { JWTPayload } from 'jose'
import type { ClaimMap } from '../../policies/issuers.ts'
import { isRole, ROLES, type RoleName } from '../../policies/roles.ts'
import type { Identity } from './identity.ts'

/** A claim that is missing, mistyped or unusable; the message names it and goes to the client (ID-2). */
export class ClaimError extends Error {
  readonly claim: string

  constructor(claim: string, rule: string) {
    super(`claim "${claim}" ${rule}`)
    this.claim = claim
  }
}

const MAX_ENTRIES = 64
const MAX_TEXT = 256
/** Claims become header values: visible ASCII, no comma, so that a list stays a list and no header can be smuggled. */
const HEADER_SAFE = /^[\x21-\x2b\x2d-\x7e]+$/

/** Turns verified claims into an Identity. Throws {@link ClaimError} on the first claim that breaks the contract of ID-2. */
export function identityOf(payload: JWTPayload, map: ClaimMap): Identity {
  const roles = knownRoles(payload, map.roles)
  const trialExpiresAt = instant(payload, 'trial_expires_at')
  return Object.freeze({
    issuer: text(payload, 'iss'),
    subject: text(payload, 'sub'),
    userId: text(payload, map.user_id),
    email: text(payload, map.email),
    customerId: map.customer_id === null ? '' : textOrEmpty(payload, map.customer_id),
    roles,
    roleLevel: roles[0] === undefined ? 0 : ROLES[roles[0]].level,
    scopes: map.scopes === null ? [] : optionalList(payload, map.scopes),
    tier: map.tier === null ? '' : optionalText(payload, map.tier),
    trial: optionalFlag(payload, 'trial_mode'),
    ...(trialExpiresAt === undefined ? {} : { trialExpiresAt }),
    tokenId: optionalText(payload, 'jti'),
    project: optionalText(payload, 'project'),
    service: optionalText(payload, 'service'),
    governorAgentId: optionalText(payload, 'governor_agent_id'),
    expiresAt: seconds(payload, 'exp') * 1000,
  })
}

/** Reads a claim, or a path such as `realm_access.roles`; own properties only, so `__proto__` and `constructor` find nothing. */
function claimAt(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path]
  let value: unknown = payload
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = Reflect.get(value, name)
  }
  return value
}

function headerSafe(claim: string, value: unknown): string {
  if (typeof value !== 'string') throw new ClaimError(claim, `must be a string, got ${kindOf(value)}`)
  if (value.length > MAX_TEXT)
    throw new ClaimError(claim, `must be at most ${MAX_TEXT} characters, got ${value.length}`)
  if (!HEADER_SAFE.test(value)) throw new ClaimError(claim, 'must be visible ASCII without commas')
  return value
}

function text(payload: JWTPayload, claim: string): string {
  const value = claimAt(payload, claim)
  if (value === undefined) throw new ClaimError(claim, 'is missing')
  return headerSafe(claim, value)
}

function textOrEmpty(payload: JWTPayload, claim: string): string {
  return claimAt(payload, claim) === '' ? '' : text(payload, claim)
}

function optionalText(payload: JWTPayload, claim: string): string {
  const value = claimAt(payload, claim)
  return value === undefined || value === null || value === '' ? '' : headerSafe(claim, value)
}

function optionalFlag(payload: JWTPayload, claim: string): boolean {
  const value = claimAt(payload, claim)
  if (value === undefined || value === null) return false
  if (typeof value !== 'boolean') throw new ClaimError(claim, `must be true or false, got ${kindOf(value)}`)
  return value
}

function seconds(payload: JWTPayload, claim: string): number {
  const value = claimAt(payload, claim)
  if (value === undefined) throw new ClaimError(claim, 'is missing')
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new ClaimError(claim, 'must be a whole number of seconds since 1970')
  }
  return value
}

/** A point in time as epoch seconds or RFC 3339 text; milliseconds since 1970. */
function instant(payload: JWTPayload, claim: string): number | undefined {
  const value = claimAt(payload, claim)
  if (value === undefined || value === null) return undefined
  const at = typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN
  if (Number.isSafeInteger(at)) return at
  return seconds(payload, claim) * 1000
}

function optionalList(payload: JWTPayload, claim: string): readonly string[] {
  const value = claimAt(payload, claim)
  return value === undefined || value === null ? [] : list(claim, value)
}

function list(claim: string, value: unknown): readonly string[] {
  const entries: unknown = typeof value === 'string' ? value.split(' ').filter((entry) => entry !== '') : value
  if (!Array.isArray(entries)) throw new ClaimError(claim, `must be a list of strings, got ${kindOf(value)}`)
  if (entries.length > MAX_ENTRIES) throw new ClaimError(claim, `must have at most ${MAX_ENTRIES} entries`)
  return Object.freeze(entries.map((entry) => headerSafe(claim, entry)))
}

/** Role names we do not know are dropped, not refused: Keycloak adds its own (design.md §4). */
function knownRoles(payload: JWTPayload, claim: string): readonly RoleName[] {
  const value = claimAt(payload, claim)
  if (value === undefined) throw new ClaimError(claim, 'is missing')
  const known = new Set(list(claim, value).filter(isRole))
  return Object.freeze([...known].sort((a, b) => ROLES[a].level - ROLES[b].level))
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : typeof value
}
