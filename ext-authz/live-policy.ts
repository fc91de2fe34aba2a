import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'
import type { RoutePolicy } from '../policies/policy.ts'
import { PERMISSIONS, type RoleName } from '../policies/roles.ts'

/** Most distinct policy texts kept parsed; a route has one, so this is routes and their recent edits. */
const MAX_POLICIES = 20_000

/** A route's policy with everything prepared that a decision looks up. */
export interface LivePolicy {
  readonly policy: RoutePolicy
  /** Equal for policies that accept the same issuers under the same rules: part of the key of verified tokens. */
  readonly issuersId: number
  /** Whether the trusted client address is in every list of the policy (ID-13). */
  readonly allowsAddress: (address: string | undefined) => boolean
  /** Whether a path is one this route was made for; Envoy matched it, so `false` means the two disagree. */
  readonly matchesPath: (path: string) => boolean
  readonly permittedRoles: ReadonlySet<RoleName>
}

/** Policies by their text, each parsed once (design.md §3). */
export class LivePolicies {
  readonly #byText = new LRUCache<string, LivePolicy>({ max: MAX_POLICIES })
  readonly #issuerIds = new LRUCache<string, number>({ max: MAX_POLICIES })
  #nextIssuersId = 1

  /** The policy a Check carries; undefined where there is none, it is incomplete, or of a format we do not know. */
  of(text: string | undefined): LivePolicy | undefined {
    if (text === undefined) return undefined
    const known = this.#byText.get(text)
    if (known !== undefined) return known
    const policy = parse(text)
    if (policy === undefined) return undefined
    const live = this.#prepare(policy)
    this.#byText.set(text, live)
    return live
  }

  #prepare(policy: RoutePolicy): LivePolicy {
    const roles: readonly RoleName[] = policy.rbac === undefined ? [] : PERMISSIONS[policy.rbac.permission]
    return Object.freeze({
      policy,
      issuersId: this.#issuersId(policy),
      allowsAddress: insideEvery(policy.addresses ?? []),
      matchesPath: pathMatcher(policy.path),
      permittedRoles: new Set(roles),
    })
  }

  #issuersId(policy: RoutePolicy): number {
    const text = JSON.stringify(policy.identity)
    const known = this.#issuerIds.get(text)
    if (known !== undefined) return known
    const id = this.#nextIssuersId++
    this.#issuerIds.set(text, id)
    return id
  }
}

function parse(text: string): RoutePolicy | undefined {
  try {
    const policy: unknown = JSON.parse(text)
    return isComplete(policy) ? policy : undefined
  } catch {
    // Not JSON is the same as no policy: the caller answers 503 and raises the alarm.
    return undefined
  }
}

/** Our control plane wrote it, so this looks for truncation and version skew, not for an attacker. */
function isComplete(value: unknown): value is RoutePolicy {
  if (typeof value !== 'object' || value === null) return false
  const policy: Partial<RoutePolicy> = value
  return (
    policy.v === 1 &&
    hasNames(policy) &&
    hasIdentity(policy) &&
    typeof policy.split === 'boolean' &&
    knownPermission(policy)
  )
}

function hasNames({ gateway, route, path, upgradeUrl }: Partial<RoutePolicy>): boolean {
  return [gateway, route, path, upgradeUrl].every((text) => typeof text === 'string' && text !== '')
}

function hasIdentity({ identity }: Partial<RoutePolicy>): boolean {
  if (identity?.kind === 'open') return true
  return identity?.kind === 'jwt' && Array.isArray(identity.issuers) && identity.issuers.length > 0
}

function knownPermission({ rbac }: Partial<RoutePolicy>): boolean {
  return rbac === undefined || Object.hasOwn(PERMISSIONS, rbac.permission)
}

function insideEvery(lists: readonly (readonly string[])[]): (address: string | undefined) => boolean {
  if (lists.length === 0) return () => true
  const compiled = lists.map((cidrs) => cidrs.map((cidr) => ipaddr.parseCIDR(cidr)))
  return (address) => {
    if (address === undefined || !ipaddr.isValid(address)) return false
    // IPv4-mapped IPv6 (::ffff:10.0.0.1) is judged as the IPv4 address it is.
    const client = ipaddr.process(address)
    return compiled.every((list) => list.some(([net, bits]) => net.kind() === client.kind() && client.match(net, bits)))
  }
}

function pathMatcher(pattern: string): (path: string) => boolean {
  if (!pattern.includes('{') && !pattern.endsWith('/*')) return (path) => path === pattern
  const open = pattern.endsWith('/*')
  const segments = (open ? pattern.slice(0, -2) : pattern).split('/')
  const literal = segments.map((segment) =>
    segment.startsWith('{') ? '[^/]+' : segment.replace(/[.*+?^$()|[\]\\]/g, '\\$&'),
  )
  const expression = new RegExp(`^${literal.join('/')}${open ? '(?:/.*)?' : ''}$`)
  return (path) => expression.test(path)
}
