import { isIP } from 'node:net'
import { EDGE, UPSTREAM } from '../../envoy/edge.ts'
import type { CompiledUpstream } from '../../policies/compile.ts'
import { any } from '../../protos/any.ts'
import type { Cluster } from '../../protos/gen/envoy/config/cluster/v3/Cluster.ts'
import { ADS } from './ads.ts'
import { endpoints } from './endpoints.ts'
import { CLOSED_CLUSTER } from './names.ts'
import { tlsToUpstream } from './upstream-tls.ts'
import { duration, wrapped } from './values.ts'

/** Whether the upstream's address is a literal, so that its endpoints come by EDS; a name is for Envoy to look up (design.md §9). */
export function isLiteral({ host }: CompiledUpstream): boolean {
  return isIP(host) !== 0
}

/**
 * One upstream of one gateway. `caFile` is where Envoy's machine keeps its certificate authorities. It does not say where it was
 * defined: a line that moves would be a new version, and Envoy would warm the cluster and its connections again.
 */
export function cluster(name: string, upstream: CompiledUpstream, caFile: string): Cluster {
  return {
    name,
    ...(isLiteral(upstream) ? byEds : byDns(name, upstream)),
    connect_timeout: duration(upstream.connectTimeoutMs),
    per_connection_buffer_limit_bytes: wrapped(EDGE.connectionBufferBytes),
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: { thresholds: [BREAKER] },
    outlier_detection: OUTLIERS,
    // A host that leaves the list must go even while it still answers.
    ignore_health_on_host_removal: true,
    typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': protocol(upstream) },
    ...(upstream.tls && { transport_socket: tlsToUpstream(upstream, caFile) }),
  }
}

/** Nobody: see {@link CLOSED_CLUSTER}. */
export function closedCluster(): Cluster {
  return {
    name: CLOSED_CLUSTER,
    type: 'STATIC',
    connect_timeout: duration(1_000),
    load_assignment: { cluster_name: CLOSED_CLUSTER, endpoints: [] },
  }
}

const byEds: Partial<Cluster> = { type: 'EDS', eds_cluster_config: { eds_config: ADS } }

function byDns(name: string, upstream: CompiledUpstream): Partial<Cluster> {
  return {
    cluster_type: {
      name: 'envoy.cluster.dns',
      typed_config: any('envoy.extensions.clusters.dns.v3.DnsCluster', {
        dns_refresh_rate: duration(UPSTREAM.dnsRefreshMs),
        respect_dns_ttl: true,
        // Not ALL: where a name has both families and the server listens on one, half of the requests would fail.
        dns_lookup_family: 'V4_PREFERRED',
      }),
    },
    load_assignment: endpoints(name, upstream),
  }
}

const BREAKER = {
  max_connections: wrapped(UPSTREAM.maxConnections),
  max_pending_requests: wrapped(UPSTREAM.maxPendingRequests),
  max_requests: wrapped(UPSTREAM.maxRequests),
  retry_budget: {
    budget_percent: { value: UPSTREAM.retryBudgetPercent },
    min_retry_concurrency: wrapped(UPSTREAM.minRetryConcurrency),
  },
}

const OUTLIERS = {
  // Only what a gateway says (502, 503, 504) or a failed connection counts: a route that answers 500 is no reason to lose the host.
  enforcing_consecutive_5xx: wrapped(0),
  enforcing_success_rate: wrapped(0),
  consecutive_gateway_failure: wrapped(UPSTREAM.consecutiveFailures),
  enforcing_consecutive_gateway_failure: wrapped(100),
  base_ejection_time: duration(UPSTREAM.ejectionMs),
  max_ejection_percent: wrapped(UPSTREAM.maxEjectionPercent),
}

function protocol({ http2 }: CompiledUpstream) {
  return any('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
    common_http_protocol_options: { idle_timeout: duration(UPSTREAM.idleMs) },
    explicit_http_config: http2 ? { http2_protocol_options: HTTP2 } : { http_protocol_options: {} },
  })
}

const HTTP2 = {
  initial_stream_window_size: wrapped(EDGE.http2.streamWindowBytes),
  initial_connection_window_size: wrapped(EDGE.http2.connectionWindowBytes),
}
