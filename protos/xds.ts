import { readdirSync } from 'node:fs'
import type { AggregatedDiscoveryServiceDefinition } from './gen/envoy/service/discovery/v3/AggregatedDiscoveryService.ts'
import { loadProtos } from './load.ts'

const protos = loadProtos(protoFiles())

/** `envoy.service.discovery.v3.AggregatedDiscoveryService`, for a grpc-js server or client. */
export const discoveryService = protos.service<AggregatedDiscoveryServiceDefinition>(
  'envoy.service.discovery.v3.AggregatedDiscoveryService',
)

export const { encode, decode } = protos

/** Every .proto file of ours, by its path below protos/. */
export function protoFiles(): string[] {
  return readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.proto'))
    .sort()
}
