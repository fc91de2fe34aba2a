import type { CompiledGateway, CompiledRoute } from '../../policies/compile.ts'
import { allowedMethods } from '../../policies/precedence.ts'
import type { Route } from '../../protos/gen/envoy/config/route/v3/Route.ts'
import { cors, corsPolicy } from './filters/cors.ts'
import { extAuthz, unchecked } from './filters/ext-authz.ts'
import { setHeader } from './headers.ts'
import { answeredMethods, headerIs, headerIsGiven, methodIs, pathMatch } from './match.ts'
import { CLOSED_CLUSTER } from './names.ts'
import { problemBody } from './problem-body.ts'
import { envoyRoutes } from './route.ts'

/** A route with the gateway that it belongs to. */
export interface Owned {
  readonly gateway: CompiledGateway
  readonly route: CompiledRoute
}

/**
 * Everything Envoy needs for paths of one shape: the routes by method, the preflights of their gateways, and 405 for every other
 * method (design.md §3). `owned` holds at least one route.
 */
export function shapeRoutes(owned: readonly [Owned, ...Owned[]], problemBase: string): Route[] {
  const named = owned.filter(({ route }) => !isForAll(route))
  const forAll = owned.filter(({ route }) => isForAll(route))
  return [
    // A route for all methods takes what no named one took.
    ...[...named, ...forAll].flatMap(({ gateway, route }) => envoyRoutes(gateway, route)),
    ...preflights(owned),
    methodNotAllowed(owned, problemBase),
  ]
}

function isForAll({ methods }: CompiledRoute): boolean {
  return methods.some((method) => method === '*')
}

/**
 * A preflight names the method it asks for, and so the gateway whose rules answer. The CORS filter answers every request that gets
 * here; it needs a route with a cluster, for it does nothing on direct responses (tried with 1.40).
 */
function preflights(owned: readonly Owned[]): Route[] {
  const byGateway = Map.groupBy(owned, ({ gateway }) => gateway)
  return [...byGateway].flatMap(([{ name, cors: rules }, [first, ...others]]) => {
    if (rules === undefined || first === undefined) return []
    const methods = new Set([first, ...others].flatMap(({ route }) => answeredMethods(route.methods)))
    return {
      name: `${name}/preflight`,
      match: {
        ...pathMatch(first.route.path),
        headers: [
          methodIs(['OPTIONS']),
          // The CORS filter passes on what has an empty one, and the closed cluster would answer 503.
          headerIsGiven('origin'),
          headerIs('access-control-request-method', [...methods]),
        ],
      },
      route: { cluster: CLOSED_CLUSTER },
      typed_per_filter_config: { [extAuthz.name]: unchecked(), [cors.name]: corsPolicy(rules) },
    }
  })
}

function methodNotAllowed([first, ...others]: readonly [Owned, ...Owned[]], problemBase: string): Route {
  return {
    name: 'method-not-allowed',
    match: pathMatch(first.route.path),
    direct_response: { status: 405, body_format: problemBody('method-not-allowed', problemBase) },
    response_headers_to_add: [
      setHeader('allow', allowedMethods([first, ...others].map(({ route }) => route)).join(', ')),
    ],
    typed_per_filter_config: { [extAuthz.name]: unchecked() },
  }
}
