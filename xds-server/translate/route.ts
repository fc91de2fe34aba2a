import { isIPv6 } from 'node:net'
import { CREDENTIAL_HEADERS, EDGE, TARGET_HEADER } from '../../envoy/edge.ts'
import type { CompiledGateway, CompiledRoute, CompiledUpstream } from '../../policies/compile.ts'
import type { HeaderMatcher } from '../../protos/gen/envoy/config/route/v3/HeaderMatcher.ts'
import type { Route } from '../../protos/gen/envoy/config/route/v3/Route.ts'
import type { RouteAction } from '../../protos/gen/envoy/config/route/v3/RouteAction.ts'
import { cors, corsPolicy } from './filters/cors.ts'
import { checkedBy, extAuthz } from './filters/ext-authz.ts'
import { appendHeader, setHeader } from './headers.ts'
import { answeredMethods, escaped, headerIs, methodIs, pathMatch } from './match.ts'
import { CLOSED_CLUSTER, clusterName, routeName } from './names.ts'
import { retryPolicy } from './retries.ts'
import { duration, struct, wrapped } from './values.ts'

/**
 * A definition's route as Envoy's: one, or three with the same policy where the target depends on the caller. Of the three, the
 * first two ask for the header by which ext-authz names the target; the last is what the request meets before it was decided, and
 * all it meets when nothing was chosen: closed (AZ-4).
 */
export function envoyRoutes(gateway: CompiledGateway, route: CompiledRoute): Route[] {
  const { paid, trial } = route.target
  if (!route.policy.split) return [variant(gateway, route, [], forward(gateway, route, paid, false))]
  const choose = (target: string) => [headerIs(TARGET_HEADER, [target])]
  return [
    variant(gateway, route, choose('production'), forward(gateway, route, paid, false)),
    variant(gateway, route, choose('sandbox'), forward(gateway, route, trial, true)),
    variant(gateway, route, [], { route: { cluster: CLOSED_CLUSTER } }),
  ]
}

type Destination = Pick<Route, 'route' | 'request_headers_to_remove'>

/** All that the variants of one route share: who may use it, and how it is matched but for the target. */
function variant(gateway: CompiledGateway, route: CompiledRoute, chosen: HeaderMatcher[], to: Destination): Route {
  return {
    name: routeName(gateway.name, route),
    match: { ...pathMatch(route.path), headers: [methodIs(answeredMethods(route.methods)), ...chosen] },
    ...to,
    ...bufferLimit(route),
    metadata: { filter_metadata: { sallyport: struct({ origin: route.source }) } },
    request_headers_to_add: headerRules(route.headers.request),
    response_headers_to_add: [
      ...headerRules(route.headers.response),
      // The answer names one of several origins, so a cache may not give it to another.
      ...(gateway.cors === undefined ? [] : [appendHeader('vary', 'Origin')]),
    ],
    typed_per_filter_config: {
      [extAuthz.name]: checkedBy(route.policy),
      ...(gateway.cors !== undefined && { [cors.name]: corsPolicy(gateway.cors) }),
    },
  }
}

/** The part of a body that a Check carries is held back; what is longer than this limit would be 413. */
function bufferLimit({ policy }: CompiledRoute): Pick<Route, 'request_body_buffer_limit'> {
  const bytes = policy.audit.body?.maxBytes ?? 0
  return bytes <= EDGE.connectionBufferBytes ? {} : { request_body_buffer_limit: wrapped(String(bytes)) }
}

function headerRules(rules: Readonly<Record<string, string>> = {}) {
  return Object.entries(rules).map(([name, value]) => setHeader(name, value))
}

function forward(gateway: CompiledGateway, route: CompiledRoute, target: string, sandbox: boolean): Destination {
  const upstream = upstreamOf(gateway, route, target)
  return {
    route: action(gateway, route, upstream),
    request_headers_to_remove: upstream.forwardCredentials && !sandbox ? [] : [...CREDENTIAL_HEADERS],
  }
}

function upstreamOf(gateway: CompiledGateway, route: CompiledRoute, target: string): CompiledUpstream {
  const upstream = gateway.upstreams.find(({ name }) => name === target)
  if (upstream !== undefined) return upstream
  throw new Error(`${route.source}: ${routeName(gateway.name, route)}: target ${target} is no upstream of its gateway`)
}

function action(gateway: CompiledGateway, route: CompiledRoute, upstream: CompiledUpstream): RouteAction {
  const retries = retryPolicy(route)
  return {
    cluster: clusterName(gateway.name, upstream.name),
    timeout: duration(route.timeoutMs),
    // An upstream is asked for by its own name; the name the client used is beside it, and a client cannot write it.
    host_rewrite_literal: isIPv6(upstream.authority) ? `[${upstream.authority}]` : upstream.authority,
    append_x_forwarded_host: true,
    ...(retries !== undefined && { retry_policy: retries }),
    ...(route.stripPrefix !== undefined && { regex_rewrite: withoutPrefix(route.stripPrefix) }),
  }
}

/** `/a/b` of `/a/b/c` goes, and never a part of a segment; of `/a/b` alone `/` stays. */
function withoutPrefix(prefix: string) {
  return { pattern: { regex: `^${escaped(prefix)}(?:/|$)` }, substitution: '/' }
}
