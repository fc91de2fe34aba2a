import { type Definition, type EffectiveRoute, placeOf } from '../loading/definitions.ts'
import type { PropertyPath } from '../loading/plain-data.ts'
import type { PolicySources } from '../policy.ts'

/** A field that both a route and its gateway have. */
type Field = 'identity' | 'addresses' | 'rbac' | 'scopes' | 'target'

/**
 * Where the rules of a route are written. A rule that holds at both levels names both places, the gateway's first; what a route does
 * not ask for has no place.
 */
export function policySources(definition: Definition, route: EffectiveRoute): PolicySources {
  const { gateway } = definition
  const { own } = route
  const ofRoute = (field: Field): PropertyPath[] => (own[field] === undefined ? [] : [['routes', route.name, field]])
  const ofGateway = (field: Field): PropertyPath[] => (gateway[field] === undefined ? [] : [[field]])
  const nearest = (field: Field) => [...ofRoute(field), ...ofGateway(field)].slice(0, 1)
  const both = (field: Field) => [...ofGateway(field), ...ofRoute(field)]
  const known = route.identity.kind === 'jwt'
  const rules: Readonly<Record<Field, readonly PropertyPath[]>> = {
    identity: nearest('identity'),
    addresses: both('addresses'),
    // Neither says it: the gateway's type does (AZ-3).
    rbac: route.rbac ? [...nearest('rbac'), ['type']].slice(0, 1) : [],
    scopes: known ? both('scopes') : [],
    target: route.target.paid === route.target.trial ? [] : nearest('target'),
  }
  return Object.fromEntries(
    Object.entries(rules)
      .filter(([, places]) => places.length > 0)
      .map(([field, places]) => [field, places.map((place) => placeOf(definition, place)).join(', ')]),
  )
}
