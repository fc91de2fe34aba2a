import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'
import type { RoutePolicy } from '../policies/policy.ts'
import { PERMISSIONS, type RoleName } from '../policies/roles.ts'
import { type AuditedPolicy, auditedPolicy } from './audit/audited-policy.ts'

/** Most distinct policy texts kept parsed; a route has one, so this is routes and their recent edits. */
const MAX_POLICIES = 20_000

/** A route's policy with everything prepared that a decision looks up. */
export interface LivePolicy {
  readonly policy: RoutePolicy
  /** Equal for policies that accept the same issuers under the same rules: part of the key of verified tokens. */
  readonly issuersId: number
  /** The entry of each list that the trusted client address is in (ID-13); undefined where the address is none. */
  readonly addressMatches: (address: string | undefined) => readonly (string | undefined)[] | undefined
  /** Whether a path is one this route was made for; Envoy matched it, so `false` means the two disagree. */
  readonly matchesPath: (path: string) => boolean
  readonly permittedRoles: ReadonlySet<RoleName>
  /** What a record says and shows of a request under this policy. */
  readonly audited: AuditedPolicy
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
    const live = this.#prepare(policy, text)
    this.#byText.set(text, live)
    return live
  }

  #prepare(policy: RoutePolicy, text: string): LivePolicy {
    const roles: readonly RoleName[] = policy.rbac === undefined ? [] : PERMISSIONS[policy.rbac.permission]
    return Object.freeze({
      policy,
      issuersId: this.#issuersId(policy),
      addressMatches: matchesOf(policy.addresses ?? []),
      matchesPath: pathMatcher(policy.path),
      permittedRoles: new Set(roles),
      audited: auditedPolicy(policy, text),
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
    hasAudit(policy) &&
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

function hasAudit({ audit }: Partial<RoutePolicy>): boolean {
  return audit?.onFailure === 'deny' || audit?.onFailure === 'degrade'
}

function knownPermission({ rbac }: Partial<RoutePolicy>): boolean {
  return rbac === undefined || Object.hasOwn(PERMISSIONS, rbac.permission)
}

function matchesOf(lists: readonly (readonly string[])[]): LivePolicy['addressMatches'] {
  const compiled = lists.map((cidrs) => cidrs.map((cidr) => ({ cidr, range: ipaddr.parseCIDR(cidr) })))
  return (address) => {
    if (address === undefined || !ipaddr.isValid(address)) return undefined
    // IPv4-mapped IPv6 (::ffff:10.0.0.1) is judged as the IPv4 address it is.
    const client = ipaddr.process(address)
    const holds = ([net, bits]: ReturnType<typeof ipaddr.parseCIDR>) =>
      net.kind() === client.kind() && client.match(net, bits)
    return compiled.map((list) => list.find(({ range }) => holds(range))?.cidr)
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
