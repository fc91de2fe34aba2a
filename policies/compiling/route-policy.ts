import type { Bindings } from '../loading/bindings.ts'
import { type Definition, type EffectiveRoute, placeOf, prefixLength, type Tables } from '../loading/definitions.ts'
import type { IssuerPolicy, RbacPolicy, RoutePolicy } from '../policy.ts'
import { isPermission } from '../roles.ts'
import { auditPolicy } from './audit-policy.ts'
import { resourceAction } from './authorization.ts'
import { policySources } from './policy-sources.ts'

const UPGRADE_URL = 'https://waooaw.com/upgrade'
const CLOCK_TOLERANCE_SECONDS = 5
const MAX_LIFETIME_SECONDS = 86_400

/** The complete policy of one route: everything ext-authz will know about it. Absent fields are left out: it travels. */
export function routePolicy(
  definition: Definition,
  route: EffectiveRoute,
  tables: Tables,
  bindings: Bindings | undefined,
): RoutePolicy {
  const { gateway } = definition
  const addresses = [gateway.addresses, route.own.addresses].filter((list) => list !== undefined)
  return {
    v: 1,
    gateway: gateway.name,
    type: gateway.type,
    route: route.name,
    source: placeOf(definition, ['routes', route.name]),
    path: route.path,
    identity: identityPolicy(route, tables, bindings),
    ...(addresses.length === 0 ? {} : { addresses }),
    ...(route.rbac ? { rbac: rbacPolicy(definition, route) } : {}),
    ...scopePolicy(definition, route),
    split: route.target.paid !== route.target.trial,
    upgradeUrl: gateway.upgradeUrl ?? UPGRADE_URL,
    audit: auditPolicy(route.own.method, gateway.audit, route.own.audit),
    sources: policySources(definition, route),
  }
}

/** The row of a table whose names were checked; throws where it is not there, which is a bug. */
export function rowOf<T>(rows: Readonly<Record<string, T>>, name: string): T {
  const row = Object.hasOwn(rows, name) ? rows[name] : undefined
  if (row === undefined) throw new Error(`${name} passed the checks but is not in its table`)
  return row
}

function identityPolicy(
  { identity }: EffectiveRoute,
  tables: Tables,
  bindings: Bindings | undefined,
): RoutePolicy['identity'] {
  if (identity.kind === 'open') return identity
  return { kind: 'jwt', issuers: identity.issuers.map((name) => issuerPolicy(name, tables, bindings)) }
}

function issuerPolicy(name: string, tables: Tables, bindings: Bindings | undefined): IssuerPolicy {
  const { clockToleranceSeconds, maxLifetimeSeconds, ...issuer } = rowOf(tables.issuers, name)
  return {
    name,
    ...issuer,
    ...bindings?.issuers?.[name],
    clockToleranceSeconds: clockToleranceSeconds ?? CLOCK_TOLERANCE_SECONDS,
    maxLifetimeSeconds: maxLifetimeSeconds ?? MAX_LIFETIME_SECONDS,
  }
}

function rbacPolicy({ gateway }: Definition, { own, name }: EffectiveRoute): RbacPolicy {
  const { resource = '', action = '', idSegment } = resourceAction(own)
  const permission = `${resource}:${action}`
  if (!isPermission(permission)) throw new Error(`${name}: ${permission} passed the checks but is no permission`)
  const id = idSegment === undefined ? {} : { idSegment: idSegment + prefixLength(gateway) }
  return { permission, resource, action, ...id }
}

function scopePolicy({ gateway }: Definition, { own, identity }: EffectiveRoute): Pick<RoutePolicy, 'scopes'> {
  const all = own.scopes ?? []
  const anyOf = gateway.scopes ?? []
  return identity.kind === 'open' || all.length + anyOf.length === 0 ? {} : { scopes: { all, anyOf } }
}
