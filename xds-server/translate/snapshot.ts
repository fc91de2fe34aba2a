import type { Compiled, CompiledGateway, CompiledListener, CompiledUpstream } from '../../policies/compile.ts'
import { any } from '../../protos/any.ts'
import type { CertificatePair } from '../certificates.ts'
import { type Resource, resource, type Snapshot, snapshot } from '../snapshot.ts'
import { checkRoutes, TranslationError } from './check.ts'
import { closedCluster, cluster, isLiteral } from './clusters.ts'
import type { ConnectionOptions } from './connection-manager.ts'
import { endpoints } from './endpoints.ts'
import { listeners } from './listener.ts'
import { CLOSED_CLUSTER, clusterName } from './names.ts'
import { redirectRoutes } from './redirect.ts'
import { routeConfiguration } from './routes.ts'
import { tlsSecret } from './secrets.ts'

/** What a deployment says about translation. */
export interface TranslateOptions extends ConnectionOptions {
  /** Path of the certificate authorities on Envoy's machine, for TLS to upstreams. */
  readonly caFile: string
}

/**
 * Compiled definitions as what Envoy runs: the same input gives the same bytes. Throws {@link TranslationError} where our own checks
 * find what Envoy would accept and should not.
 */
export function translate(
  compiled: Compiled,
  certificates: ReadonlyMap<string, CertificatePair>,
  options: TranslateOptions,
): Snapshot {
  const upstreams = compiled.gateways.flatMap((gateway) =>
    gateway.upstreams.map((upstream) => ({ name: clusterName(gateway.name, upstream.name), upstream })),
  )
  const clusters = new Set([CLOSED_CLUSTER, ...upstreams.map(({ name }) => name)])
  return snapshot([
    resource(CLOSED_CLUSTER, any('envoy.config.cluster.v3.Cluster', closedCluster())),
    ...upstreams.flatMap(({ name, upstream }) => upstreamResources(name, upstream, options)),
    ...secretResources(compiled.listeners, certificates),
    ...compiled.listeners.flatMap((listener) => listenerResources(listener, compiled.gateways, options)),
    ...compiled.listeners.flatMap((listener) => routeResources(listener, compiled.gateways, clusters, options)),
  ])
}

function upstreamResources(name: string, upstream: CompiledUpstream, { caFile }: TranslateOptions): Resource[] {
  const origin = upstream.source
  const self = resource(name, any('envoy.config.cluster.v3.Cluster', cluster(name, upstream, caFile)), { origin })
  if (!isLiteral(upstream)) return [self]
  const load = any('envoy.config.endpoint.v3.ClusterLoadAssignment', endpoints(name, upstream))
  return [self, resource(name, load, { origin })]
}

function secretResources(
  listeners: readonly CompiledListener[],
  certificates: ReadonlyMap<string, CertificatePair>,
): Resource[] {
  const names = new Set(listeners.flatMap(({ tls }) => (tls === undefined ? [] : [tls.certificate])))
  return [...names].map((name) => {
    const pair = certificates.get(name)
    if (pair === undefined) throw new TranslationError([`certificate ${name}: there is no pair that can be served`])
    return resource(name, any('envoy.extensions.transport_sockets.tls.v3.Secret', tlsSecret(pair)))
  })
}

function listenerResources(
  definition: CompiledListener,
  gateways: readonly CompiledGateway[],
  options: TranslateOptions,
): Resource[] {
  const routes = gateways.filter(({ listener }) => listener === definition.name).flatMap((gateway) => gateway.routes)
  const auditedHeaders = [...new Set(routes.flatMap(({ policy }) => policy.audit.headers ?? []))].sort()
  return listeners(definition, { ...options, auditedHeaders }).map(({ name, message }) =>
    resource(name, any('envoy.config.listener.v3.Listener', message)),
  )
}

function routeResources(
  { name, tls, redirectToHttps }: CompiledListener,
  gateways: readonly CompiledGateway[],
  clusters: ReadonlySet<string>,
  { problemBase }: TranslateOptions,
): Resource[] {
  const own = gateways.filter(({ listener }) => listener === name)
  const served = routeConfiguration(name, own, problemBase)
  const redirecting = redirectToHttps && tls !== undefined ? [redirectRoutes(name, tls.port)] : []
  return [served, ...redirecting].map((configuration) => {
    const needs = checkRoutes(configuration, clusters)
    const body = any('envoy.config.route.v3.RouteConfiguration', configuration)
    return resource(configuration.name ?? name, body, { needs })
  })
}
