import { EDGE } from '../../envoy/edge.ts'
import type { CompiledListener } from '../../policies/compile.ts'
import { type AnyMessage, any } from '../../protos/any.ts'
import { accessLog } from './access-log.ts'
import { ADS } from './ads.ts'
import { earlyHeaders } from './early-headers.ts'
import type { Edge } from './filters/filter.ts'
import { FILTERS } from './filters/index.ts'
import { localReplies } from './local-replies.ts'
import { duration, wrapped } from './values.ts'

/** What a deployment says about every listener. */
export interface ConnectionOptions {
  /** What every problem's `type` starts with (RT-7). */
  readonly problemBase: string
  /** Absolute path of the access log on Envoy's machine; absent: none is written. */
  readonly accessLog?: string | undefined
}

/**
 * How connections of a listener are read and answered. Hardening per Envoy's edge guide; `internal_address_config` stays out on
 * purpose: even empty it makes loopback internal, and internal clients keep their own request id (facts/envoy.md §13).
 */
export function connectionManager(
  { name, trustedHops }: CompiledListener,
  edge: Edge & ConnectionOptions & { readonly routes: string },
): AnyMessage {
  return any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: edge.tls ? `${name}_tls` : name,
    codec_type: 'AUTO',
    rds: { route_config_name: edge.routes, config_source: ADS },
    http_filters: FILTERS.map((filter) => ({ name: filter.name, typed_config: filter.config(edge) })),
    early_header_mutation_extensions: [earlyHeaders(trustedHops)],
    ...(edge.accessLog !== undefined && { access_log: [accessLog(edge.accessLog)] }),
    local_reply_config: localReplies(edge.problemBase),
    ...PATHS,
    ...LIMITS,
    // Over plain HTTP/2 a client may say `:scheme: https`; the upstream is told how we speak to it, and `x-forwarded-proto` the rest.
    scheme_header_transformation: { match_upstream: true },
    use_remote_address: wrapped(true),
    xff_num_trusted_hops: trustedHops,
    generate_request_id: wrapped(true),
    always_set_request_id_in_response: true,
    // Together with the removal in filters/response-headers.ts: any other setting puts the name back after the filters.
    server_header_transformation: 'PASS_THROUGH',
  })
}

/** One canonical form of a path for routes, policy, log and upstream; what has none is 400 (facts/threats.md 1a). */
const PATHS = {
  normalize_path: wrapped(true),
  merge_slashes: true,
  path_with_escaped_slashes_action: 'REJECT_REQUEST',
  strip_trailing_host_dot: true,
} as const

const LIMITS = {
  max_request_headers_kb: wrapped(EDGE.maxRequestHeadersKiB),
  common_http_protocol_options: {
    idle_timeout: duration(EDGE.connectionIdleMs),
    max_headers_count: wrapped(EDGE.maxHeaders),
    // `x_user_id` and `x-user-id` are one name to many upstreams.
    headers_with_underscores_action: 'REJECT_REQUEST',
  },
  // HTTP/1.0 is refused by Envoy's default (426): it has no Host to route by.
  http2_protocol_options: {
    max_concurrent_streams: wrapped(EDGE.http2.maxConcurrentStreams),
    initial_stream_window_size: wrapped(EDGE.http2.streamWindowBytes),
    initial_connection_window_size: wrapped(EDGE.http2.connectionWindowBytes),
  },
  request_timeout: duration(EDGE.requestMs),
  request_headers_timeout: duration(EDGE.requestHeadersMs),
  stream_idle_timeout: duration(EDGE.streamIdleMs),
} as const
