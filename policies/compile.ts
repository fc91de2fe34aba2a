import { routePolicy, rowOf } from './compiling/route-policy.ts'
import { type GatewayType, type HeaderRules, METHODS, type Method, type RetryCondition } from './define.ts'
import type { Listener } from './listeners.ts'
import { parseAddress } from './loading/addresses.ts'
import type { Bindings, CertificateFiles } from './loading/bindings.ts'
import {
  ANY_HOST,
  DEFAULT_LISTENER,
  type Definition,
  type EffectiveRoute,
  placeOf,
  routesOf,
  type Tables,
} from './loading/definitions.ts'
import { durationMs } from './loading/durations.ts'
import type { GatewayData } from './loading/schema.ts'
import type { RoutePolicy } from './policy.ts'

/** Definitions with every default filled in, every name resolved and every policy complete; what translation reads. */
export interface Compiled {
  readonly listeners: readonly CompiledListener[]
  readonly gateways: readonly CompiledGateway[]
}

/** A listener that at least one gateway uses. */
export interface CompiledListener extends Listener {
  readonly name: string
  /** Absolute paths of the PEM files. Absent without `tls`, or when loaded without bindings (`validate`). */
  readonly certificate?: CertificateFiles
}

export interface CompiledGateway {
  readonly name: string
  readonly type: GatewayType
  readonly listener: string
  readonly hosts: readonly string[]
  readonly cors?: CompiledCors
  readonly upstreams: readonly CompiledUpstream[]
  readonly routes: readonly CompiledRoute[]
  /** `file:line` of the gateway. */
  readonly source: string
}

export interface CompiledCors {
  readonly origins: readonly string[]
  readonly methods: readonly string[]
  readonly headers: readonly string[]
  readonly exposeHeaders: readonly string[]
  readonly credentials: boolean
  readonly maxAgeSeconds: number
}

export interface CompiledUpstream {
  readonly name: string
  /** Host name or IP literal, after bindings. */
  readonly host: string
  readonly port: number
  /** The authority to present (SNI, Host): the host as written in the definition. */
  readonly authority: string
  readonly tls: boolean
  readonly http2: boolean
  readonly connectTimeoutMs: number
  readonly forwardCredentials: boolean
  readonly source: string
}

export interface CompiledRoute {
  readonly name: string
  readonly methods: readonly Method[] | readonly ['*']
  /** Full pattern with the gateway's prefix. */
  readonly path: string
  /** Names of upstreams; equal when the route does not split. */
  readonly target: { readonly paid: string; readonly trial: string }
  readonly timeoutMs: number
  readonly retries: {
    readonly attempts: number
    readonly on: readonly RetryCondition[]
    readonly perTryTimeoutMs?: number
  }
  readonly headers: HeaderRules
  readonly stripPrefix?: string
  readonly policy: RoutePolicy
  readonly source: string
}

const CORS_HEADERS = ['authorization', 'content-type', 'x-correlation-id'] as const

/**
 * Fills in every default and resolves every name. Total on definitions that passed the checks; a name that is not
 * there by now is a bug, and throws.
 */
export function compile(definitions: readonly Definition[], tables: Tables, bindings: Bindings | undefined): Compiled {
  const used = new Set(definitions.map(({ gateway }) => gateway.listener ?? DEFAULT_LISTENER))
  return {
    listeners: [...used].sort().map((name) => compileListener(name, tables, bindings)),
    gateways: definitions.map((definition) => compileGateway(definition, tables, bindings)),
  }
}

/** A listener of the table with what the deployment binds. */
export function compileListener(name: string, tables: Tables, bindings: Bindings | undefined): CompiledListener {
  const { tls, ...listener } = rowOf(tables.listeners, name)
  const { tlsPort, ...bound } = bindings?.listeners?.[name] ?? {}
  const certificate = tls === undefined ? undefined : bindings?.certificates?.[tls.certificate]
  return {
    name,
    ...listener,
    ...bound,
    ...(tls === undefined ? {} : { tls: { ...tls, port: tlsPort ?? tls.port } }),
    ...(certificate === undefined ? {} : { certificate }),
  }
}

function compileGateway(definition: Definition, tables: Tables, bindings: Bindings | undefined): CompiledGateway {
  const { gateway } = definition
  return {
    name: gateway.name,
    type: gateway.type,
    listener: gateway.listener ?? DEFAULT_LISTENER,
    hosts: gateway.hosts ?? ANY_HOST,
    ...(gateway.cors === undefined ? {} : { cors: compileCors(gateway, gateway.cors) }),
    upstreams: Object.keys(gateway.upstreams).map((name) => compileUpstream(definition, name, bindings)),
    routes: routesOf(gateway).map((route) => compileRoute(definition, route, tables, bindings)),
    source: placeOf(definition, ['name']),
  }
}

function compileCors(gateway: GatewayData, cors: NonNullable<GatewayData['cors']>): CompiledCors {
  const served = new Set(Object.values(gateway.routes).map(({ method }) => method))
  const methods = METHODS.filter((method) => method !== '*' && (served.has(method) || served.has('*')))
  return {
    origins: cors.origins,
    methods: cors.methods ?? methods,
    headers: cors.headers ?? CORS_HEADERS,
    exposeHeaders: cors.exposeHeaders ?? [],
    credentials: cors.credentials ?? false,
    maxAgeSeconds: milliseconds(cors.maxAge ?? '10m') / 1_000,
  }
}

function compileUpstream(definition: Definition, name: string, bindings: Bindings | undefined): CompiledUpstream {
  const upstream = rowOf(definition.gateway.upstreams, name)
  const written = addressOf(upstream.address)
  const { host, port } = addressOf(bindings?.upstreams?.[upstream.address] ?? upstream.address)
  return {
    name,
    host,
    port,
    authority: written.host,
    tls: upstream.tls,
    http2: upstream.http2 ?? false,
    connectTimeoutMs: milliseconds(upstream.connectTimeout ?? '2s'),
    forwardCredentials: upstream.forwardCredentials ?? false,
    source: placeOf(definition, ['upstreams', name]),
  }
}

function compileRoute(
  definition: Definition,
  route: EffectiveRoute,
  tables: Tables,
  bindings: Bindings | undefined,
): CompiledRoute {
  const { attempts, on, perTryTimeout } = route.retries
  const { stripPrefix } = route.own
  return {
    name: route.name,
    methods: [route.own.method],
    path: route.path,
    target: route.target,
    timeoutMs: milliseconds(route.timeout),
    retries: { attempts, on, ...(perTryTimeout === undefined ? {} : { perTryTimeoutMs: milliseconds(perTryTimeout) }) },
    headers: mergeHeaders(definition.gateway.headers, route.own.headers),
    ...(stripPrefix === undefined ? {} : { stripPrefix }),
    policy: routePolicy(definition, route, tables, bindings),
    source: placeOf(definition, ['routes', route.name]),
  }
}

/** The route's rule for a header goes before its gateway's. */
function mergeHeaders(gateway: HeaderRules | undefined, route: HeaderRules | undefined): HeaderRules {
  const request = { ...gateway?.request, ...route?.request }
  const response = { ...gateway?.response, ...route?.response }
  return {
    ...(Object.keys(request).length === 0 ? {} : { request }),
    ...(Object.keys(response).length === 0 ? {} : { response }),
  }
}

function addressOf(text: string): { readonly host: string; readonly port: number } {
  const address = parseAddress(text)
  if (address === undefined) throw new Error(`${text} passed the checks but is no address`)
  return address
}

function milliseconds(text: string): number {
  const ms = durationMs(text)
  if (ms === undefined) throw new Error(`${text} passed the checks but is no duration`)
  return ms
}
