import { EXT_AUTHZ_CLUSTER } from '../../envoy/edge.ts'
import { DEFAULT_PROBLEM_BASE } from '../../policies/problems.ts'
import { renderBootstrap } from '../../runtime/embedded/bootstrap.ts'
import { CLUSTER, ENDPOINTS, LISTENER, ROUTES, type Snapshot, type TypeUrl } from '../../xds-server/snapshot.ts'
import { extAuthz } from '../../xds-server/translate/filters/ext-authz.ts'
import { translate } from '../../xds-server/translate/snapshot.ts'
import { gateway, listener, route, upstream } from '../xds-server/translate/compiled.ts'
import { type Json, readable } from '../xds-server/translate/readable.ts'
import { BENCH_ISSUER } from './tokens.ts'

/** Path that every request of the benchmark asks for. */
export const BENCH_PATH = '/api/v1/agents'

type Members = { readonly [key: string]: Json }

/** What one Envoy of the benchmark is told. */
export interface EnvoyPlan {
  readonly port: number
  readonly adminPort: number
  readonly upstreamPort: number
  readonly jwksUrl: string
  /** Socket of the authorizer; undefined: an Envoy that asks nobody. */
  readonly authorizer: string | undefined
  /** File of Envoy's access log. */
  readonly accessLog: string
}

/** The configuration that the product would push, as a static one: bootstrap, edge, one route of a partner platform with its policy. */
export async function edgeConfig(plan: EnvoyPlan): Promise<string> {
  const asks = plan.authorizer !== undefined
  const bootstrap = await bootstrapOf(plan)
  const snapshot = translate(compiledFor(plan), new Map(), {
    problemBase: DEFAULT_PROBLEM_BASE,
    caFile: '/dev/null',
    accessLog: plan.accessLog,
  })
  const listeners = all(snapshot, LISTENER).map((body) => staticForm(body, snapshot))
  const clusters = all(snapshot, CLUSTER).map((body) => staticCluster(body, snapshot))
  const own = list(members(bootstrap['static_resources'])['clusters']).filter(
    (cluster) => asks && members(cluster)['name'] === EXT_AUTHZ_CLUSTER,
  )
  const { dynamic_resources: _dynamic, ...rest } = bootstrap
  return JSON.stringify({
    ...rest,
    static_resources: {
      listeners: asks ? listeners : listeners.map(withoutAuthorization),
      clusters: [...own, ...clusters],
    },
  })
}

/** An upstream that costs next to nothing: an Envoy that answers 200 by itself. */
export function upstreamConfig(port: number, adminPort: number): string {
  const answer = { status: 200, body: { inline_string: '{"agents":[]}' } }
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 'upstream',
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
    route_config: {
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: answer }] }],
    },
  }
  const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager }
  return JSON.stringify({
    admin: { address: loopback(adminPort) },
    static_resources: {
      listeners: [{ name: 'upstream', address: loopback(port), filter_chains: [{ filters: [filter] }] }],
    },
  })
}

function loopback(port: number): Members {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}

async function bootstrapOf({ adminPort, authorizer }: EnvoyPlan): Promise<Members> {
  const text = await renderBootstrap({
    nodeId: 'bench',
    nodeCluster: 'bench',
    adminPort,
    xdsAddress: '127.0.0.1',
    xdsPort: 1,
    extAuthzSockets: authorizer === undefined ? [] : [authorizer],
  })
  return members(JSON.parse(text))
}

/** RBAC, a target that depends on the caller, one RS256 issuer. Without an authorizer nobody could choose the target: then it is fixed. */
function compiledFor({ port, upstreamPort, jwksUrl, authorizer }: EnvoyPlan) {
  const split = authorizer !== undefined
  const { policy, ...plain } = route(BENCH_PATH, { name: 'list agents', split })
  const at = { port: upstreamPort }
  const secured = {
    ...plain,
    policy: { ...policy, type: 'PP' as const, identity: identityOf(jwksUrl), rbac: RBAC },
  }
  return {
    listeners: [listener({ port })],
    gateways: [gateway([secured], { type: 'PP', upstreams: [upstream('plant', at), upstream('sandbox', at)] })],
  }
}

const RBAC = { permission: 'agents:read', resource: 'agents', action: 'read' } as const

function identityOf(jwks: string) {
  const issuer = {
    name: 'bench',
    issuer: BENCH_ISSUER,
    jwks,
    algorithms: ['RS256'] as const,
    claims: {
      user_id: 'user_id',
      email: 'email',
      customer_id: 'customer_id',
      roles: 'roles',
      tier: 'tier',
      scopes: 'scopes',
    },
    clockToleranceSeconds: 5,
    maxLifetimeSeconds: 86_400,
  }
  return { kind: 'jwt' as const, issuers: [issuer] }
}

function all(snapshot: Snapshot, type: TypeUrl): Members[] {
  return [...(snapshot.resources.get(type)?.values() ?? [])].map(({ body }) => readable(body))
}

/** The same value with each reference to routes replaced by the routes. */
function staticForm(value: Json, snapshot: Snapshot): Json {
  if (isList(value)) return value.map((item) => staticForm(item, snapshot))
  if (!isMembers(value)) return value
  const { rds = null, ...rest } = value
  const copy = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, staticForm(item, snapshot)]))
  return isMembers(rds) ? { ...copy, route_config: named(snapshot, ROUTES, String(rds['route_config_name'])) } : copy
}

function staticCluster(cluster: Members, snapshot: Snapshot): Members {
  const { eds_cluster_config: eds, ...rest } = cluster
  if (eds === undefined) return cluster
  return { ...rest, type: 'STATIC', load_assignment: named(snapshot, ENDPOINTS, String(cluster['name'])) }
}

function named(snapshot: Snapshot, type: TypeUrl, name: string): Members {
  const found = snapshot.resources.get(type)?.get(name)
  if (found === undefined) throw new Error(`the snapshot of the benchmark has no ${type} named ${name}`)
  return readable(found.body)
}

/** Takes the ext_authz filter out of the chain and its settings off the routes. */
function withoutAuthorization(value: Json): Json {
  if (isList(value)) {
    return value
      .filter((item) => !isMembers(item) || item['name'] !== extAuthz.name)
      .map((item) => withoutAuthorization(item))
  }
  if (!isMembers(value)) return value
  const kept = Object.entries(value).filter(([key]) => key !== extAuthz.name)
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutAuthorization(item)]))
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function isMembers(value: Json): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function members(value: Json | undefined): Members {
  if (value !== undefined && isMembers(value)) return value
  throw new Error(`expected an object in the configuration, got ${JSON.stringify(value)}`)
}

function list(value: Json | undefined): readonly Json[] {
  if (value !== undefined && isList(value)) return value
  throw new Error(`expected a list in the configuration, got ${JSON.stringify(value)}`)
}
