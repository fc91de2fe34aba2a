import type { Secret } from '../../protos/gen/envoy/extensions/transport_sockets/tls/v3/Secret.ts'
import type { CertificatePair } from '../certificates.ts'

/** A certificate pair as SDS carries it; a rotation is a new version of this and touches no listener (RT-2). */
export function tlsSecret({ name, chain, key }: CertificatePair): Secret {
  return {
    name,
    tls_certificate: { certificate_chain: { inline_string: chain }, private_key: { inline_string: key.reveal() } },
  }
}
