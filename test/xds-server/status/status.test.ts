import { afterEach, describe, expect, test } from 'vitest'
import { CLUSTER, ENDPOINTS, LISTENER, ROUTES, type Snapshot } from '../../../xds-server/snapshot.ts'
import { type EnvoyStatus, statusOf, type TypeStatus } from '../../../xds-server/status/status.ts'
import type { DeltaStream } from '../../support/delta-client.ts'
import { until } from '../../support/until.ts'
import { edge } from '../stream/resources.ts'
import { type Serving, serving } from '../stream/serving.ts'

let running: Serving | undefined

afterEach(() => {
  running?.close()
  running = undefined
})

/** A server, one Envoy that has everything of `edge({ a })`, and what `/status` says of it. */
async function connected() {
  running = await serving(edge({ a: '1' }))
  const { server, open, clock } = running
  const stream = open('envoy-1')
  const clusters = await stream.ask(CLUSTER).next(CLUSTER)
  await stream.subscribe(ENDPOINTS, 'a').take(ENDPOINTS)
  await stream.ack(clusters).ask(LISTENER).take(LISTENER)
  await stream.subscribe(ROUTES, 'edge').take(ROUTES)
  const status = () => statusOf(server.snapshot, undefined, server.streams, Date.now() + clock.offset)
  const envoy = () => only(status().envoys)
  const type = (name: string) => typeOf(envoy(), name)
  await until('it to be in sync', () => envoy().synced)
  return { server, stream, clock, status, envoy, type }
}

function only(envoys: readonly EnvoyStatus[]): EnvoyStatus {
  const [envoy, ...others] = envoys
  if (envoy === undefined || others.length > 0) throw new Error(`${envoys.length} Envoys instead of one`)
  return envoy
}

function typeOf(envoy: EnvoyStatus, name: string): TypeStatus {
  const found = envoy.types.find(({ type }) => type === name)
  if (found === undefined) throw new Error(`nothing is said of ${name}`)
  return found
}

const versionOf = (target: Snapshot, type: typeof CLUSTER | typeof ROUTES, name: string) =>
  target.resources.get(type)?.get(name)?.version

async function refuse(stream: DeltaStream, message: string): Promise<void> {
  stream.nack(await stream.next(CLUSTER), message)
}

describe('XD-4 what Envoys run', () => {
  test('nothing is published, no one is connected', () => {
    expect(statusOf(undefined, undefined, [], 0)).toEqual({ envoys: [] })
  })

  test('definitions that cannot be loaded are shown beside the revision that goes on', () => {
    const target = edge({ a: '1' })
    expect(statusOf(target, 'cp.ts:3 misspelt', [], 0)).toEqual({
      ...{ revision: target.revision, definitionError: 'cp.ts:3 misspelt', envoys: [] },
    })
  })

  test('an Envoy that has everything: SYNCED, with the acknowledged versions by name', async () => {
    const { envoy, type, status } = await connected()
    const target = edge({ a: '1' })
    expect(status().revision).toBe(target.revision)
    expect(envoy()).toMatchObject({ node: 'envoy-1', cluster: 'test', synced: true })
    expect(Date.now() - Date.parse(envoy().lastAck ?? '')).toBeLessThan(10_000)
    expect(type('Cluster')).toEqual({
      ...{ type: 'Cluster', state: 'SYNCED', pending: [] },
      acknowledged: { a: versionOf(target, CLUSTER, 'a') },
    })
    expect(envoy().types.map(({ state }) => state)).toEqual(['SYNCED', 'SYNCED', 'SYNCED', 'SYNCED'])
  })

  test('an edit on its way: PENDING, for how long, and what waits for what', async () => {
    const { server, stream, clock, type } = await connected()
    const target = edge({ a: '1', b: '1' })
    server.publish(target)
    await stream.next(CLUSTER)
    clock.offset = 3_000
    expect(type('Cluster')).toMatchObject({ state: 'PENDING', lagMs: expect.closeTo(3_000, -3) })
    expect(type('Cluster').pending).toEqual([{ name: 'b', wanted: versionOf(target, CLUSTER, 'b') }])
    expect(type('RouteConfiguration')).toMatchObject({
      state: 'PENDING',
      pending: [{ name: 'edge', wanted: versionOf(target, ROUTES, 'edge'), waitsFor: ['b'] }],
    })
  })

  test('XD-8 a rejection: ERROR with Envoy’s words, the resource and its definition; what it had is still shown', async () => {
    const { server, stream, envoy, type } = await connected()
    server.publish(edge({ a: 'bad' }))
    await stream.take(ENDPOINTS)
    await refuse(stream, 'Error adding/updating cluster(s) a: no such luck')
    await until('the rejection', () => type('Cluster').state === 'ERROR')
    expect(envoy().synced).toBe(false)
    expect(type('Cluster')).toMatchObject({
      acknowledged: { a: versionOf(edge({ a: '1' }), CLUSTER, 'a') },
      pending: [{ name: 'a', wanted: versionOf(edge({ a: 'bad' }), CLUSTER, 'a'), refused: true }],
      lastNack: {
        ...{ names: ['a'], origins: ['a.ts:7'] },
        message: 'Error adding/updating cluster(s) a: no such luck',
      },
    })
  })

  test('a rejection that is over is no ERROR any more, also when the definition just went back', async () => {
    const { server, stream, type, envoy } = await connected()
    server.publish(edge({ a: 'bad' }))
    await stream.take(ENDPOINTS)
    await refuse(stream, 'Error adding/updating cluster(s) a: no such luck')
    await until('the rejection', () => type('Cluster').state === 'ERROR')
    server.publish(edge({ a: '1' }))
    await stream.take(CLUSTER)
    await stream.take(ENDPOINTS)
    await until('it to be in sync', () => envoy().synced)
    expect(type('Cluster').state).toBe('SYNCED')
  })

  test('C2 two streams of one node id are two rows', async () => {
    const { stream, status } = await connected()
    const { open } = running ?? {}
    await open?.('envoy-1').ask(CLUSTER).next(CLUSTER)
    expect(status().envoys.map(({ node }) => node)).toEqual(['envoy-1', 'envoy-1'])
    stream.cancel()
    await until('one row', () => status().envoys.length === 1)
  })
})
