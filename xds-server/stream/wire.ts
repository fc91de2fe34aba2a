import { discoveryService, encode } from '../../protos/xds.ts'
import type { Resource } from '../snapshot.ts'
import type { Send } from './rollout.ts'

const RESPONSE = 'envoy.service.discovery.v3.DeltaDiscoveryResponse'

/** The method of ours, its responses handed over as bytes. */
export const deltaMethod = {
  ...discoveryService.DeltaAggregatedResources,
  responseSerialize: (bytes: Buffer) => bytes,
}

const fragments = new WeakMap<Resource, Buffer>()

/**
 * A response as wire bytes. Encoded messages of one type laid end to end are their merger (protobuf encoding, "Last One Wins"), so a
 * resource is encoded once and its bytes are shared by every stream; only the head with the nonce is made anew.
 */
export function responseBytes({ type, nonce, revision, resources, removed }: Send, identifier: string): Buffer {
  const head = encode(RESPONSE, {
    system_version_info: revision,
    type_url: type,
    nonce,
    control_plane: { identifier: `${identifier} ${revision}` },
    removed_resources: [...removed],
  })
  return Buffer.concat([head, ...resources.map(fragment)])
}

function fragment(item: Resource): Buffer {
  const made = fragments.get(item)
  if (made !== undefined) return made
  const { name, version, body } = item
  const bytes = encode(RESPONSE, { resources: [{ name, version, resource: body }] })
  fragments.set(item, bytes)
  return bytes
}
