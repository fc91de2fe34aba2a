import { resourceAction } from '../../compiling/authorization.ts'
import { isPermission, PERMISSIONS } from '../../roles.ts'
import { DEFAULT_LISTENER, type EffectiveRoute, routesOf, type Tables } from '../definitions.ts'
import { durationMs } from '../durations.ts'
import { nearest } from '../nearest.ts'
import type { PropertyPath } from '../plain-data.ts'
import { choices, didYouMean, type Report, shown } from '../reading.ts'
import type { GatewayData, IdentityData } from '../schema.ts'
import { isReserved } from '../values/paths.ts'

/** Reports every name of a gateway that stands for nothing, and every pair of its fields that contradict each other. */
export function checkGateway(gateway: GatewayData, tables: Tables, report: Report): void {
  checkListener(gateway, tables, report)
  checkIssuers(gateway.identity, ['identity'], tables, report)
  checkTarget(gateway, gateway.target, ['target'], report)
  checkTries(gateway.retries, gateway.timeout, ['retries'], report)
  const routes = routesOf(gateway)
  if (routes.every(({ identity }) => identity.kind === 'open')) checkAllOpen(gateway, report)
  for (const route of routes) checkRoute(gateway, route, tables, report)
}

function checkRoute(gateway: GatewayData, route: EffectiveRoute, tables: Tables, report: Report): void {
  const at = ['routes', route.name]
  const { own } = route
  if (own.identity !== undefined) checkIssuers(own.identity, [...at, 'identity'], tables, report)
  if (own.target !== undefined) checkTarget(gateway, own.target, [...at, 'target'], report)
  if (own.retries !== undefined || own.timeout !== undefined) {
    checkTries(route.retries, route.timeout, [...at, own.retries === undefined ? 'timeout' : 'retries'], report)
  }
  if (isReserved(route.path)) {
    report({ code: 'SP2013', path: [...at, 'path'], message: `${route.path} belongs to the gateway itself` })
  }
  if (route.rbac) checkPermission(route, at, report)
  if (route.identity.kind === 'open') checkOpen(route, at, report)
  checkStrip(route, at, report)
}

function checkAllOpen(gateway: GatewayData, report: Report): void {
  if (gateway.rbac === true) report(unknownCaller(['rbac'], 'rbac'))
  if (gateway.scopes !== undefined) report(unknownCaller(['scopes'], 'scopes'))
}

function checkListener({ listener }: GatewayData, { listeners }: Tables, report: Report): void {
  const name = listener ?? DEFAULT_LISTENER
  if (Object.hasOwn(listeners, name)) return
  const known = Object.keys(listeners)
  report({
    code: 'SP3003',
    path: ['listener'],
    message: `there is no listener ${shown(name)}`,
    expected: choices(known),
    ...didYouMean(name, known),
  })
}

function checkIssuers(identity: IdentityData, path: PropertyPath, { issuers }: Tables, report: Report): void {
  if (identity.kind === 'open') return
  const known = Object.keys(issuers)
  for (const [index, name] of identity.issuers.entries()) {
    if (Object.hasOwn(issuers, name)) continue
    report({
      code: 'SP3002',
      path: [...path, 'issuers', index],
      message: `there is no issuer ${shown(name)}`,
      expected: choices(known),
      suggestion: 'add it to policies/issuers.ts',
      ...didYouMean(name, known),
    })
  }
}

function checkTarget(gateway: GatewayData, target: GatewayData['target'], at: PropertyPath, report: Report): void {
  const named: [string, PropertyPath][] =
    typeof target === 'string'
      ? [[target, at]]
      : [
          [target.paid, [...at, 'paid']],
          [target.trial, [...at, 'trial']],
        ]
  const known = Object.keys(gateway.upstreams)
  for (const [name, path] of named) {
    if (known.includes(name)) continue
    const message = `there is no upstream ${shown(name)}`
    report({ code: 'SP3001', path, message, expected: choices(known), ...didYouMean(name, known) })
  }
  if (typeof target !== 'string' && gateway.upstreams[target.trial]?.forwardCredentials === true) {
    report({
      code: 'SP3007',
      path: [...at, 'trial'],
      message: `the sandbox ${shown(target.trial)} would receive the callers' credentials`,
      suggestion: 'remove forwardCredentials, or name another upstream for trial users',
    })
  }
}

function checkTries(
  retries: GatewayData['retries'],
  timeout: string | undefined,
  path: PropertyPath,
  report: Report,
): void {
  const oneTry = retries?.perTryTimeout
  if (oneTry === undefined || timeout === undefined) return
  if ((durationMs(oneTry) ?? 0) <= (durationMs(timeout) ?? 0)) return
  report({
    code: 'SP3011',
    path,
    message: `one try may take ${oneTry}, but the whole request only ${timeout}`,
    suggestion: 'make perTryTimeout smaller or timeout larger',
  })
}

function checkPermission({ own }: EffectiveRoute, at: PropertyPath, report: Report): void {
  const { resource, action } = resourceAction(own)
  if (resource === undefined || action === undefined) {
    const missing = resource === undefined ? 'resource' : 'action'
    const reason = resource === undefined ? 'its path does not start with one' : 'it serves every method'
    report({
      code: 'SP3004',
      path: [...at, missing],
      message: `RBAC is on, and the route's ${missing} is not known: ${reason}`,
      expected: 'a permission of policies/roles.ts, which is resource:action',
      suggestion: `say ${missing}: '…', or rbac: false`,
    })
    return
  }
  const permission = `${resource}:${action}`
  if (isPermission(permission)) return
  const field = own.action !== undefined ? 'action' : own.resource !== undefined ? 'resource' : 'path'
  const near = nearest(permission, Object.keys(PERMISSIONS))
  report({
    code: 'SP3004',
    path: [...at, field],
    message: `RBAC is on, and no role can hold the permission ${shown(permission)}`,
    expected: 'a permission of policies/roles.ts',
    suggestion: near === undefined ? `add ${shown(permission)} to policies/roles.ts` : `did you mean ${shown(near)}?`,
  })
}

function checkOpen({ own, target }: EffectiveRoute, at: PropertyPath, report: Report): void {
  if (own.rbac === true) report(unknownCaller([...at, 'rbac'], 'rbac'))
  if (own.scopes !== undefined) report(unknownCaller([...at, 'scopes'], 'scopes'))
  if (target.paid === target.trial) return
  report({
    code: 'SP3009',
    path: [...at, 'target'],
    message: 'the route is open, so nobody knows whether its caller is on trial',
    suggestion: `name one upstream: target: ${shown(target.paid)}`,
  })
}

function unknownCaller(path: PropertyPath, field: string) {
  return {
    code: 'SP3009',
    path,
    message: `the route is open, so there is no caller whose ${field === 'rbac' ? 'roles' : field} could be looked at`,
    suggestion: `remove ${field}, or ask for a token: identity: jwt(…)`,
  } as const
}

function checkStrip({ own, path }: EffectiveRoute, at: PropertyPath, report: Report): void {
  const { stripPrefix } = own
  if (stripPrefix === undefined || path === stripPrefix || path.startsWith(`${stripPrefix}/`)) return
  report({
    code: 'SP3010',
    path: [...at, 'stripPrefix'],
    message: `${shown(stripPrefix)} is not in front of the path ${shown(path)}`,
    suggestion: 'write the leading segments of the full path, the prefix of the gateway included',
  })
}
