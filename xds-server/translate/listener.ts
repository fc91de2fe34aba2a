import { EDGE, TLS12_CIPHERS } from '../../envoy/edge.ts'
import type { CompiledListener } from '../../policies/compile.ts'
import type { Listener as TlsOf } from '../../policies/listeners.ts'
import { any } from '../../protos/any.ts'
import type { FilterChain } from '../../protos/gen/envoy/config/listener/v3/FilterChain.ts'
import type { Listener } from '../../protos/gen/envoy/config/listener/v3/Listener.ts'
import { ADS } from './ads.ts'
import { type ConnectionOptions, connectionManager } from './connection-manager.ts'
import { redirectRoutesName } from './redirect.ts'

/** A translated listener under its name. */
export interface NamedListener {
  readonly name: string
  readonly message: Listener
}

/** The plain and, where defined, the TLS listener of one definition (RT-2); both serve the same routes, unless plain only redirects. */
export function listeners(
  definition: CompiledListener,
  options: ConnectionOptions & { readonly auditedHeaders: readonly string[] },
): NamedListener[] {
  const { name, tls, redirectToHttps } = definition
  const plainRoutes = redirectToHttps && tls !== undefined ? redirectRoutesName(name) : name
  const plain = listener(name, definition.address, definition.port, {
    filters: [httpFilter(definition, { ...options, tls: false, routes: plainRoutes })],
  })
  if (tls === undefined) return [{ name, message: plain }]
  const secured = listener(`${name}-tls`, definition.address, tls.port, {
    filters: [httpFilter(definition, { ...options, tls: true, routes: name })],
    transport_socket: tlsSocket(tls),
  })
  return [
    { name, message: plain },
    { name: `${name}-tls`, message: secured },
  ]
}

function listener(name: string, address: string, port: number, chain: FilterChain): Listener {
  return {
    name,
    address: { socket_address: { address, port_value: port } },
    filter_chains: [chain],
    per_connection_buffer_limit_bytes: { value: EDGE.connectionBufferBytes },
    traffic_direction: 'INBOUND',
  }
}

function httpFilter(definition: CompiledListener, edge: Parameters<typeof connectionManager>[1]) {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: connectionManager(definition, edge),
  }
}

function tlsSocket(tls: NonNullable<TlsOf['tls']>) {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_params: {
          tls_minimum_protocol_version: tls.minimumVersion === 'TLSv1.2' ? 'TLSv1_2' : 'TLSv1_3',
          tls_maximum_protocol_version: 'TLSv1_3',
          ...(tls.minimumVersion === 'TLSv1.2' && { cipher_suites: [...TLS12_CIPHERS] }),
        },
        tls_certificate_sds_secret_configs: [{ name: tls.certificate, sds_config: ADS }],
      },
    }),
  }
}
