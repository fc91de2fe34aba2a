import type { CompiledUpstream } from '../../policies/compile.ts'
import type { ClusterLoadAssignment } from '../../protos/gen/envoy/config/endpoint/v3/ClusterLoadAssignment.ts'

/** Where an upstream's one address is; both in EDS and inside a DNS cluster. */
export function endpoints(cluster: string, { host, port }: CompiledUpstream): ClusterLoadAssignment {
  const address = { socket_address: { address: host, port_value: port } }
  return { cluster_name: cluster, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] }
}
