import type { GatewayType } from './define.ts'
import type { ClaimMap, JwtAlgorithm } from './issuers.ts'
import type { Permission } from './roles.ts'

/**
 * Everything ext-authz needs to decide one route. It travels inside Envoy's own route configuration
 * (`context_extensions`) and comes back with every Check, so what Envoy routes is what ext-authz enforces (design.md §1.2).
 */
export interface RoutePolicy {
  /** Format version; a worker refuses (503) a policy whose version it does not know. */
  readonly v: 1
  readonly gateway: string
  readonly type: GatewayType
  readonly route: string
  /** `file:line` of the route's definition, for logs and explanations; never sent to clients. */
  readonly source: string
  /** The full path pattern, gateway prefix included: `/api/v1/agents/{id}`. */
  readonly path: string
  readonly identity: OpenPolicy | JwtPolicy
  /** CIDRs the trusted client address must be in; absent: any address (ID-13). One list per level, gateway then route: each must hold. */
  readonly addresses?: readonly (readonly string[])[]
  /** Absent: the route does not use RBAC (AZ-3). */
  readonly rbac?: RbacPolicy
  /** Absent: no scope is asked for (ID-16). */
  readonly scopes?: ScopePolicy
  /** True: trial users go to the sandbox, all others to production; the answer names the target (AZ-4). */
  readonly split: boolean
  /** Where a trial user can become a paying one; part of the problem documents of TR-3. */
  readonly upgradeUrl: string
  /** What of a request is recorded, and what happens when it cannot be (AU-1, AU-6). */
  readonly audit: AuditPolicy
  /** `file:line` of each rule, the route's own or its gateway's; for explanations (OB-8), never sent to clients. */
  readonly sources?: PolicySources
}

/** What of a request to a route is recorded, besides what always is. */
export interface AuditPolicy {
  /** What happens to a request whose decision cannot be written: `deny` answers 503, `degrade` lets it go on, counted. */
  readonly onFailure: 'deny' | 'degrade'
  /** Names of query parameters that are recorded; of others not even the name. */
  readonly query?: readonly string[]
  /** Lower-case names of headers that are recorded besides those of every route. */
  readonly headers?: readonly string[]
  /** Absent: the body is not recorded. `mask` names JSON members, at any depth and in any case, whose values are not. */
  readonly body?: { readonly maxBytes: number; readonly mask: readonly string[] }
}

/** Where each rule of a policy was written, `file:line`. */
export interface PolicySources {
  readonly identity?: string
  readonly addresses?: string
  readonly rbac?: string
  readonly scopes?: string
  readonly target?: string
}

/** The route carries no credentials on purpose; `reason` is the SRE's own sentence. */
export interface OpenPolicy {
  readonly kind: 'open'
  readonly reason: string
}

/** A bearer JWT of one of these issuers is demanded (ID-1…ID-5). */
export interface JwtPolicy {
  readonly kind: 'jwt'
  readonly issuers: readonly IssuerPolicy[]
}

/** How tokens of one issuer are verified; the shape of `issuers.ts`, with every default filled in. */
export interface IssuerPolicy {
  readonly name: string
  /** Exact value of the `iss` claim. */
  readonly issuer: string
  /** `https:` URL (`http:` on loopback only) or `file:` URL of a JWKS or PEM file (ID-4). */
  readonly jwks: string
  readonly algorithms: readonly JwtAlgorithm[]
  /** Accepted `aud` values; absent: the audience is not checked (ID-3). */
  readonly audience?: readonly string[]
  readonly claims: ClaimMap
  readonly clockToleranceSeconds: number
  /** Longest accepted `exp - iat`. */
  readonly maxLifetimeSeconds: number
}

/** The permission a caller's roles must hold (AZ-1, AZ-2). */
export interface RbacPolicy {
  readonly permission: Permission
  readonly resource: string
  readonly action: string
  /** Index of the path segment that carries the resource id (0 = first), where the pattern has one. */
  readonly idSegment?: number
}

/** `all` must each be held; of `anyOf` (the gateway's prefix, such as `marketing:*`) at least one (ID-16). */
export interface ScopePolicy {
  readonly all: readonly string[]
  readonly anyOf: readonly string[]
}

/** The `context_extensions` key that carries the policy. */
export const POLICY_KEY = 'sallyport.policy'

/** The policy as text: equal policies give equal text, so the text is a cache key and its hash a version. */
export function policyText(policy: RoutePolicy): string {
  return JSON.stringify(policy, (_key, value: unknown) => (isRecord(value) ? sorted(value) : value))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sorted(record: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}
