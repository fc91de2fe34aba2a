import { unpack } from '../../../protos/any.ts'
import type { Route__Output } from '../../../protos/gen/envoy/config/route/v3/Route.ts'
import type { RouteConfiguration } from '../../../protos/gen/envoy/config/route/v3/RouteConfiguration.ts'
import type { VirtualHost } from '../../../protos/gen/envoy/config/route/v3/VirtualHost.ts'
import { packedOf } from '../../../xds-server/translate/packed.ts'

/** A request as far as routes look at it. */
export interface Asked {
  readonly host?: string
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * The route Envoy takes: the most specific virtual host, in its matcher the list under the longest prefix of the path with its query,
 * in that the first route that matches; never one of another list (Envoy docs, "HTTP routing"; facts/envoy.md §11).
 */
export function envoyTakes(configuration: RouteConfiguration, asked: Asked): Route__Output | undefined {
  const hosts = configuration.virtual_hosts ?? []
  const ranked = hosts
    .flatMap((host) => (host.domains ?? []).map((domain) => ({ domain, host })))
    .filter(({ domain }) => domainMatches(domain, asked.host ?? 'localhost'))
    .sort((a, b) => specificity(b.domain) - specificity(a.domain))
  const host = ranked[0]?.host
  if (host === undefined) return undefined
  const prefixes = [...listsOf(host)].filter(([prefix]) => asked.path.startsWith(prefix))
  const [longest] = prefixes.toSorted(([a], [b]) => b.length - a.length)
  // Matches of routes look at the path without its query.
  const path = asked.path.split('?', 1).join('')
  return longest?.[1].find((route) => routeMatches(route, { ...asked, path }))
}

const read = new WeakMap<VirtualHost, ReadonlyMap<string, readonly Route__Output[]>>()

/** The lists of a virtual host by their prefix, read from their bytes once. */
export function listsOf(host: VirtualHost): ReadonlyMap<string, readonly Route__Output[]> {
  const lists = read.get(host) ?? unpacked(host)
  read.set(host, lists)
  return lists
}

function unpacked({ matcher }: VirtualHost): ReadonlyMap<string, readonly Route__Output[]> {
  const leaves = Object.entries(matcher?.matcher_tree?.prefix_match_map?.map ?? {})
  return new Map(
    leaves.map(([prefix, { action }]) => {
      const packed = packedOf(action?.typed_config)
      if (packed === undefined) throw new Error(`${prefix} has no action`)
      return [prefix, unpack('envoy.config.route.v3.RouteList', packed).routes ?? []]
    }),
  )
}

function domainMatches(domain: string, host: string): boolean {
  return domain === '*' || domain === host || (domain.startsWith('*.') && host.endsWith(domain.slice(1)))
}

function specificity(domain: string): number {
  if (domain === '*') return 0
  return domain.startsWith('*') ? domain.length : 1_000
}

function routeMatches({ match }: Route__Output, asked: Asked): boolean {
  const headers: Readonly<Record<string, string>> = { ...asked.headers, ':method': asked.method }
  const pathFits =
    match?.prefix !== undefined
      ? asked.path.startsWith(match.prefix)
      : match?.path !== undefined
        ? asked.path === match.path
        : match?.path_separated_prefix !== undefined
          ? asked.path === match.path_separated_prefix || asked.path.startsWith(`${match.path_separated_prefix}/`)
          : fits(match?.safe_regex?.regex, asked.path)
  return (
    pathFits &&
    (match?.headers ?? []).every(({ name, string_match, present_match }) => {
      const value = headers[name ?? '']
      if (value === undefined) return false
      if (present_match === true) return true
      return string_match?.exact !== undefined
        ? value === string_match.exact
        : fits(string_match?.safe_regex?.regex, value)
    })
  )
}

/** Envoy matches the whole text. */
function fits(regex: string | undefined, text: string): boolean {
  return regex !== undefined && new RegExp(`^(?:${regex})$`).test(text)
}
