import { TARGET_HEADER } from '../../envoy/edge.ts'
import { POLICY_KEY } from '../../policies/policy.ts'
import { type AnyMessage, typeUrl, unpack } from '../../protos/any.ts'
import type { Route } from '../../protos/gen/envoy/config/route/v3/Route.ts'
import type { RouteConfiguration } from '../../protos/gen/envoy/config/route/v3/RouteConfiguration.ts'
import { extAuthz } from './filters/ext-authz.ts'
import { FILTERS } from './filters/index.ts'
import { CLOSED_CLUSTER } from './names.ts'

/** What Envoy would accept and nobody may run; each message names the route configuration, the route and the rule. */
export class TranslationError extends Error {
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'))
    this.mistakes = mistakes
  }
}

/**
 * Our own last look at a route configuration before it is published; throws {@link TranslationError} with every mistake.
 * Envoy accepts a misspelt filter name or another filter's message silently, which turns a policy off (facts/envoy.md §2), and so it
 * does a route that nobody asked ext-authz about.
 */
export function checkRoutes(configuration: RouteConfiguration, clusters: ReadonlySet<string>): void {
  const mistakes = (configuration.virtual_hosts ?? []).flatMap((host) => {
    const place = `${configuration.name}/${host.name}`
    const routes = host.routes ?? []
    return [
      ...routes.flatMap((route) => routeMistakes(route, clusters)),
      ...splitMistakes(routes),
      ...(host.typed_per_filter_config === undefined ? [] : ['a virtual host decides nothing: move it to its routes']),
    ].map((mistake) => `${place}: ${mistake}`)
  })
  if (mistakes.length > 0) throw new TranslationError(mistakes)
}

const PER_ROUTE = 'envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute'

type Packed = NonNullable<Route['typed_per_filter_config']>[string]

function routeMistakes(route: Route, clusters: ReadonlySet<string>): string[] {
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

function authorizationMistakes(route: Route, packed: AnyMessage | undefined): string[] {
  if (packed?.type_url !== typeUrl(PER_ROUTE))
    return ['no ext_authz configuration: every route says its policy, or that it has none']
  const { override, disabled, check_settings } = unpack(PER_ROUTE, packed)
  if (override === 'disabled') {
    return disabled === true && needsNoPolicy(route) ? [] : ['ext_authz is off on a route that reaches an upstream']
  }
  const policy = check_settings?.context_extensions?.[POLICY_KEY]
  return policy === undefined || policy === '' ? [`ext_authz carries no ${POLICY_KEY}`] : []
}

/** The generated type also allows the loader's `@type` objects; ours are packed, anything else is a mistake. */
function packedOf(packed: Packed | undefined): AnyMessage | undefined {
  if (packed === undefined || !('type_url' in packed)) return undefined
  const { type_url, value } = packed
  return typeof type_url === 'string' && Buffer.isBuffer(value) ? { type_url, value } : undefined
}

/** An answer of the edge's own: 405, the redirect to HTTPS, and preflights, which end at the CORS filter or in the closed cluster. */
function needsNoPolicy(route: Route): boolean {
  return route.direct_response?.status === 405 || route.redirect?.https_redirect === true || isClosed(route)
}

function isClosed({ route }: Route): boolean {
  return route?.cluster === CLOSED_CLUSTER
}

function clusterMistakes({ route }: Route, clusters: ReadonlySet<string>): string[] {
  if (route === undefined || route === null || clusters.has(route.cluster ?? '')) return []
  return [`routes to ${route.cluster}, which is no cluster of this snapshot`]
}

/**
 * A route chosen by ext-authz's own header must carry the policy of the base route under which it was asked, byte for byte, and the
 * base must be closed: Envoy decides by the base and sends by the variant (AZ-4).
 */
function splitMistakes(routes: readonly Route[]): string[] {
  return routes.filter(choosesTarget).flatMap((variant) => {
    const base = routes.find(
      (route) => !choosesTarget(route) && route.name === variant.name && sameMatch(route, variant),
    )
    if (base === undefined) return [`${variant.name}: a variant by ${TARGET_HEADER} without a base route`]
    if (!isClosed(base)) return [`${variant.name}: the base route of a split target must be closed`]
    return policyBytes(base).equals(policyBytes(variant))
      ? []
      : [`${variant.name}: its variants carry different policies`]
  })
}

function choosesTarget({ match }: Route): boolean {
  return (match?.headers ?? []).some(({ name }) => name === TARGET_HEADER)
}

function sameMatch(a: Route, b: Route): boolean {
  return matchText(a) === matchText(b)
}

function matchText({ match }: Route): string {
  const headers = (match?.headers ?? []).filter(({ name }) => name !== TARGET_HEADER)
  return JSON.stringify({ ...match, headers })
}

function policyBytes({ typed_per_filter_config }: Route): Buffer {
  return packedOf(typed_per_filter_config?.[extAuthz.name])?.value ?? Buffer.alloc(0)
}
