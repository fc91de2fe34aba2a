import type { ScopePolicy } from '../../policies/policy.ts'
import type { Identity } from '../identity/identity.ts'
import type { LivePolicy } from '../live-policy.ts'
import { because, deny, type Finding, SKIPPED } from '../verdict.ts'

/** ID-16: every scope of the route is held, and at least one of the gateway's prefix. */
export function holdsScopes(identity: Identity, { policy }: LivePolicy): Finding {
  if (policy.scopes === undefined) return SKIPPED
  const { all, anyOf } = policy.scopes
  const facts = { held: identity.scopes, all, any_of: anyOf }
  const missing = all.filter((wanted) => !identity.scopes.some((held) => covers(held, wanted)))
  const inside = anyOf.length === 0 || anyOf.some((wanted) => identity.scopes.some((held) => overlaps(held, wanted)))
  if (missing.length === 0 && inside) return { kind: 'pass', facts }
  const refusal = deny('permission-denied', 'The token lacks a scope that this route asks for.', {
    deny_reason: 'scope',
    required_scopes: missing.length > 0 ? missing : anyOf,
  })
  return because(refusal, facts, remedyFor(missing, inside, anyOf))
}

function remedyFor(missing: readonly string[], inside: boolean, anyOf: ScopePolicy['anyOf']): string {
  const every = missing.length === 0 ? [] : [missing.join(', ')]
  const one = inside ? [] : [`one of ${anyOf.join(', ')}`]
  return `get a token with the scope ${[...every, ...one].join(' and ')}`
}

/** `marketing:*` covers `marketing:read`; a scope covers itself. */
function covers(held: string, wanted: string): boolean {
  return held === wanted || (held.endsWith(':*') && wanted.startsWith(held.slice(0, -1)))
}

/** `marketing:read` satisfies a gateway that asks for `marketing:*`. */
function overlaps(held: string, wanted: string): boolean {
  return covers(held, wanted) || covers(wanted, held)
}
