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
}

/** A refusal with the problem's own sentence or a more exact one. */
export function deny(slug: Slug, detail?: string, facts?: Deny['facts']): Deny {
  return { kind: 'deny', slug, ...(detail === undefined ? {} : { detail }), ...(facts === undefined ? {} : { facts }) }
}

/** A store is down or we are at fault: never 401, 402, 403 or 429, for we do not know that the client is wrong (AZ-7). */
export function outage(detail: string): Deny {
  return { kind: 'deny', slug: 'service-unavailable', detail, retryAfter: 1 }
}
