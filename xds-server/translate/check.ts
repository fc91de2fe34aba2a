import { TARGET_HEADER } from '../../envoy/edge.ts'
import { POLICY_KEY } from '../../policies/policy.ts'
import { type AnyMessage, typeUrl, unpack } from '../../protos/any.ts'
import type { RouteConfiguration } from '../../protos/gen/envoy/config/route/v3/RouteConfiguration.ts'
import { extAuthz } from './filters/ext-authz.ts'
import { FILTERS } from './filters/index.ts'
import { CLOSED_CLUSTER } from './names.ts'
import { packedOf } from './packed.ts'
import { type MadeOrRead, routeLists } from './path-tree.ts'

/** What Envoy would accept and nobody may run; each message names the route configuration, the route and the rule. */
export class TranslationError extends Error {
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'))
    this.mistakes = mistakes
  }
}

/**
 * Our own last look at a route configuration before it is published: the names of the clusters that it routes to, sorted. Throws
 * {@link TranslationError} with every mistake. Envoy accepts a misspelt filter name or another filter's message silently, which turns
 * a policy off (facts/envoy.md §2), and so it does a route that nobody asked ext-authz about.
 */
export function checkRoutes(configuration: RouteConfiguration, clusters: ReadonlySet<string>): string[] {
  const hosts = (configuration.virtual_hosts ?? []).map((host) => ({ host, read: routeLists(host) }))
  const mistakes = hosts.flatMap(({ host, read: { lists, mistakes: unread } }) => {
    const found = [
      ...unread,
      ...lists.flat().flatMap((route) => routeMistakes(route, clusters)),
      ...lists.flatMap(splitMistakes),
      ...(host.typed_per_filter_config === undefined ? [] : ['a virtual host decides nothing: move it to its routes']),
    ]
    // A route that is in several lists is wrong in each.
    return [...new Set(found)].map((mistake) => `${configuration.name}/${host.name}: ${mistake}`)
  })
  if (mistakes.length > 0) throw new TranslationError(mistakes)
  return clustersOf(hosts.flatMap(({ read }) => read.lists.flat()))
}

function clustersOf(routes: readonly MadeOrRead[]): string[] {
  return [...new Set(routes.map(({ route }) => route?.cluster ?? ''))].filter((name) => name !== '').sort()
}

const PER_ROUTE = 'envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute'

function routeMistakes(route: MadeOrRead, clusters: ReadonlySet<string>): string[] {
  const config = route.typed_per_filter_config ?? {}
  return [
    ...Object.entries(config).flatMap(([key, packed]) => keyMistakes(key, packedOf(packed)?.type_url)),
    ...authorizationMistakes(route, packedOf(config[extAuthz.name])),
    ...clusterMistakes(route, clusters),
  ].map((mistake) => `${route.name}: ${mistake}`)
}

function keyMistakes(key: string, type: string | undefined): string[] {
  const filter = FILTERS.find(({ name }) => name === key)
  if (filter === undefined) return [`typed_per_filter_config names ${key}, which is no filter of ours`]
  if (filter.perRoute === undefined) return [`${key} cannot be configured on a route`]
  const expected = typeUrl(filter.perRoute)
  return type === expected ? [] : [`${key} holds ${type}, but the filter reads ${expected}`]
}

function authorizationMistakes(route: MadeOrRead, packed: AnyMessage | undefined): string[] {
  if (packed?.type_url !== typeUrl(PER_ROUTE))
    return ['no ext_authz configuration: every route says its policy, or that it has none']
  const { override, disabled, check_settings } = unpack(PER_ROUTE, packed)
  if (override === 'disabled') {
    return disabled === true && needsNoPolicy(route) ? [] : ['ext_authz is off on a route that reaches an upstream']
  }
  const policy = check_settings?.context_extensions?.[POLICY_KEY]
  return policy === undefined || policy === '' ? [`ext_authz carries no ${POLICY_KEY}`] : []
}

/** An answer of the edge's own: 405, the redirect to HTTPS, and preflights, which end at the CORS filter or in the closed cluster. */
function needsNoPolicy(route: MadeOrRead): boolean {
  return route.direct_response?.status === 405 || route.redirect?.https_redirect === true || isClosed(route)
}

function isClosed({ route }: MadeOrRead): boolean {
  return route?.cluster === CLOSED_CLUSTER
}

function clusterMistakes({ route }: MadeOrRead, clusters: ReadonlySet<string>): string[] {
  if (route === undefined || route === null || clusters.has(route.cluster ?? '')) return []
  return [`routes to ${route.cluster}, which is no cluster of this snapshot`]
}

/**
 * A route chosen by ext-authz's own header must carry the policy of the base route under which it was asked, byte for byte, and the
 * base must be closed: Envoy decides by the base and sends by the variant (AZ-4).
 */
function splitMistakes(routes: readonly MadeOrRead[]): string[] {
  const bases = Map.groupBy(
    routes.filter((route) => !choosesTarget(route)),
    ({ name }) => name,
  )
  return routes.filter(choosesTarget).flatMap((variant) => {
    const base = bases.get(variant.name)?.find((route) => sameMatch(route, variant))
    if (base === undefined) return [`${variant.name}: a variant by ${TARGET_HEADER} without a base route`]
    if (!isClosed(base)) return [`${variant.name}: the base route of a split target must be closed`]
    return policyBytes(base).equals(policyBytes(variant))
      ? []
      : [`${variant.name}: its variants carry different policies`]
  })
}

function choosesTarget({ match }: MadeOrRead): boolean {
  return (match?.headers ?? []).some(({ name }) => name === TARGET_HEADER)
}

function sameMatch(a: MadeOrRead, b: MadeOrRead): boolean {
  return matchText(a) === matchText(b)
}

function matchText({ match }: MadeOrRead): string {
  const headers = (match?.headers ?? []).filter(({ name }) => name !== TARGET_HEADER)
  return JSON.stringify({ ...match, headers })
}

function policyBytes({ typed_per_filter_config }: MadeOrRead): Buffer {
  return packedOf(typed_per_filter_config?.[extAuthz.name])?.value ?? Buffer.alloc(0)
}
