import { isIP } from 'node:net'
import type { CompiledUpstream } from '../../policies/compile.ts'
import { any } from '../../protos/any.ts'

/** TLS to an upstream: its certificate must come from one of the system's authorities and be for the name in the definition. */
export function tlsToUpstream(upstream: CompiledUpstream, caFile: string) {
  const name = upstream.authority
  const literal = isIP(name) !== 0
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      // An address is no server name (RFC 6066 §3).
      ...(!literal && { sni: name }),
      common_tls_context: {
        alpn_protocols: [upstream.http2 ? 'h2' : 'http/1.1'],
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
        validation_context: {
          trusted_ca: { filename: caFile },
          match_typed_subject_alt_names: [{ san_type: literal ? 'IP_ADDRESS' : 'DNS', matcher: { exact: name } }],
        },
      },
    }),
  }
}
