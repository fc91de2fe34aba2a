import { expect, test } from 'vitest'
import { decode } from '../../../protos/xds.ts'
import { CLUSTER, resource } from '../../../xds-server/snapshot.ts'
import { responseBytes } from '../../../xds-server/stream/wire.ts'
import { cluster } from './resources.ts'

const RESPONSE = 'envoy.service.discovery.v3.DeltaDiscoveryResponse'

test('a response of shared bytes reads as the message it stands for, on every stream with its own nonce', () => {
  const resources = [cluster('a'), cluster('b', 'x'.repeat(70_000))]
  for (const nonce of ['1', '2']) {
    const send = { type: CLUSTER, nonce, revision: 'r', resources, removed: ['c', 'd'] }
    expect(decode(RESPONSE, responseBytes(send, 'server'))).toEqual({
      system_version_info: 'r',
      type_url: CLUSTER,
      nonce,
      control_plane: { identifier: 'server r' },
      removed_resources: ['c', 'd'],
      resources: resources.map(({ name, version, body }) => ({ name, version, resource: body })),
    })
  }
})

test('C21 a resource whose name is not the name inside is refused: Envoy would believe the inner one', () => {
  const { body } = cluster('a')
  expect(() => resource('b', body)).toThrow(`a ${CLUSTER} sent as b has another name inside`)
  expect(() => resource('aa', body)).toThrow()
  expect(resource('a', body).name).toBe('a')
})
