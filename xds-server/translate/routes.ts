import { GATEWAY_RESPONSE_HEADERS, TARGET_HEADER } from '../../envoy/edge.ts'
import type { CompiledGateway } from '../../policies/compile.ts'
import { comparePaths, sameShape } from '../../policies/precedence.ts'
import type { RouteConfiguration } from '../../protos/gen/envoy/config/route/v3/RouteConfiguration.ts'
import type { VirtualHost } from '../../protos/gen/envoy/config/route/v3/VirtualHost.ts'
import { buckets } from './buckets.ts'
import { pathTree } from './path-tree.ts'
import { type Owned, shapeRoutes } from './shape.ts'

/** All routes of one listener. The virtual hosts only group by host name; nothing that decides is on them (design.md §1.2). */
export function routeConfiguration(
  listener: string,
  gateways: readonly CompiledGateway[],
  problemBase: string,
): RouteConfiguration {
  return {
    name: listener,
    virtual_hosts: virtualHosts(gateways, problemBase),
    ignore_port_in_host_matching: true,
    request_headers_to_remove: [TARGET_HEADER],
    response_headers_to_remove: [...GATEWAY_RESPONSE_HEADERS],
  }
}

/**
 * One virtual host for each set of gateways that meet under a host name. Envoy takes the most specific name and never falls back,
 * so each holds the routes of every gateway whose hosts cover it: a gateway for `*` answers on every host.
 */
function virtualHosts(gateways: readonly CompiledGateway[], problemBase: string): VirtualHost[] {
  const domains = [...new Set(gateways.flatMap(({ hosts }) => hosts))].sort()
  const groups = Map.groupBy(domains, (domain) =>
    gateways
      .filter(({ hosts }) => hosts.some((host) => covers(host, domain)))
      .map(({ name }) => name)
      .join('+'),
  )
  return [...groups.values()].map((names) => {
    const answering = gateways.filter(({ hosts }) => hosts.some((host) => covers(host, names[0] ?? '*')))
    const shaped = shapes(answering).map((owned) => ({
      path: owned[0].route.path,
      routes: shapeRoutes(owned, problemBase),
    }))
    return { name: names[0] ?? '*', domains: names, matcher: pathTree(buckets(shaped)) }
  })
}

/** Whether every host that `name` stands for is one that `pattern` stands for. */
function covers(pattern: string, name: string): boolean {
  return pattern === '*' || pattern === name || (pattern.startsWith('*.') && name.endsWith(pattern.slice(1)))
}

/** The routes, most specific path first, those of one shape together. */
function shapes(gateways: readonly CompiledGateway[]): [Owned, ...Owned[]][] {
  const owned = gateways
    .flatMap((gateway) => gateway.routes.map((route): Owned => ({ gateway, route })))
    .sort((a, b) => comparePaths(a.route.path, b.route.path))
  const shaped: [Owned, ...Owned[]][] = []
  for (const each of owned) {
    const last = shaped.at(-1)
    if (last !== undefined && sameShape(last[0].route.path, each.route.path)) last.push(each)
    else shaped.push([each])
  }
  return shaped
}
