import type { Slug } from '../policies/problems.ts'
import type { Identity } from './identity/identity.ts'

/** Which backend a split route uses; the values of `X-Target-Backend` (AZ-4). */
export type TargetName = 'production' | 'sandbox'

/** The request may go on, as this identity and to this target. */
export interface Pass {
  readonly kind: 'pass'
  /** Absent on an open route. */
  readonly identity?: Identity
  /** Present on a split route. */
  readonly target?: TargetName
  /** True where RBAC decided; the answer then carries `X-RBAC-*` (AZ-3). */
  readonly rbac: boolean
}

/** What a stage read and compared, as it is recorded: no credentials, every text capped (OB-8). */
export type Facts = Readonly<Record<string, unknown>>

/** Why a stage refused, for people of the operator: recorded, never sent to clients (OB-8). */
export interface Why {
  readonly facts: Facts
  /** The nearest change that would have let the request pass. */
  readonly remedy: string
}

/** The request ends here, with this problem (RT-7). A refusal is a value; an exception is a bug or an outage (design.md §1.4). */
export interface Deny {
  readonly kind: 'deny'
  readonly slug: Slug
  /** A more exact sentence than the problem's own. */
  readonly detail?: string
  /** Members added to the problem document; numbers and strings only (RFC 9457 §3.2). */
  readonly facts?: Readonly<Record<string, string | number | readonly string[]>>
  /** Seconds for `Retry-After`; on outages. */
  readonly retryAfter?: number
  readonly why?: Why
}

/** What a stage says: it has nothing against the request, the route does not ask for it (`skip`), or it refuses. */
export type Finding = { readonly kind: 'pass' | 'skip'; readonly facts?: Facts } | Deny

/** The route does not ask for what a stage looks at. */
export const SKIPPED: Finding = Object.freeze({ kind: 'skip' })

/** The same refusal with its reasons for the operator. */
export function because(denial: Deny, facts: Facts, remedy: string): Deny {
  return { ...denial, why: { facts, remedy } }
}

/** A refusal with the problem's own sentence or a more exact one. */
export function deny(slug: Slug, detail?: string, facts?: Deny['facts']): Deny {
  return { kind: 'deny', slug, ...(detail === undefined ? {} : { detail }), ...(facts === undefined ? {} : { facts }) }
}

/** A store is down or we are at fault: never 401, 402, 403 or 429, for we do not know that the client is wrong (AZ-7). */
export function outage(detail: string): Deny {
  return { kind: 'deny', slug: 'service-unavailable', detail, retryAfter: 1 }
}
