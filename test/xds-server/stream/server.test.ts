import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { status } from '@grpc/grpc-js'
import { afterEach, describe, expect, test } from 'vitest'
import { encode } from '../../../protos/xds.ts'
import { CLUSTER, EMPTY, ENDPOINTS, LISTENER, ROUTES, snapshot } from '../../../xds-server/snapshot.ts'
import { createXdsServer } from '../../../xds-server/stream/server.ts'
import { DeltaConnection, type DeltaStream } from '../../support/delta-client.ts'
import { until } from '../../support/until.ts'
import { cluster, edge, endpoints, listener, routes } from './resources.ts'
import { type Serving, serving } from './serving.ts'

let running: Serving | undefined

async function start(...args: Parameters<typeof serving>): Promise<Serving> {
  running = await serving(...args)
  return running
}

afterEach(() => {
  running?.close()
  running = undefined
})

/** Subscribes as Envoy does when it starts, and acknowledges everything. */
async function boot(stream: DeltaStream, ...clusters: string[]): Promise<void> {
  const ready = stream.ask(CLUSTER).next(CLUSTER)
  const assignments = stream.subscribe(ENDPOINTS, ...clusters)
  for (const _ of clusters) await assignments.take(ENDPOINTS)
  stream.ack(await ready)
  await stream.ask(LISTENER).take(LISTENER)
  await stream.subscribe(ROUTES, 'edge').take(ROUTES)
}

describe('who asks what', () => {
  test('C1 a stream that does not say who it is ends with INVALID_ARGUMENT', async () => {
    const { open } = await start(edge({ a: '1' }))
    const end = await open().raw({ type_url: CLUSTER }).ended()
    expect(end).toMatchObject({ code: status.INVALID_ARGUMENT, details: expect.stringContaining('node.id') })
  })

  test('C1 the node of the first request counts for the stream; sent again it does no harm', async () => {
    const { open, server } = await start(edge({ a: '1' }))
    const stream = open('envoy-1')
    await stream.ask(CLUSTER).next(CLUSTER)
    await stream.ask(LISTENER, { node: { id: 'other', cluster: 'x' } }).next(LISTENER)
    expect([...server.streams].map(({ node }) => node?.id)).toEqual(['envoy-1'])
  })

  test('C2 two streams of one node id: each gets everything, the end of one leaves the other alone', async () => {
    const { open, server } = await start(edge({ a: '1' }))
    const [before, after] = [open('same'), open('same')]
    for (const stream of [before, after]) expect(await stream.ask(CLUSTER).take(CLUSTER)).toEqual(['a'])
    before.cancel()
    await until('one stream', () => server.streams.size === 1)
    server.publish(edge({ a: '2' }))
    expect(await after.take(CLUSTER)).toEqual(['a'])
  })

  test('C3 a request without a type ends the stream with INVALID_ARGUMENT', async () => {
    const { open } = await start(edge({ a: '1' }))
    const end = await open()
      .raw({ node: { id: 'test' } })
      .ended()
    expect(end).toMatchObject({ code: status.INVALID_ARGUMENT, details: expect.stringContaining('type_url') })
  })

  test('C3 an unknown type is mentioned once and not answered; the stream goes on', async () => {
    const { open, lines } = await start(edge({ a: '1' }))
    const stream = open().ask(CLUSTER)
    const type_url = 'type.googleapis.com/envoy.service.runtime.v3.Runtime'
    stream.raw({ type_url }).raw({ type_url, resource_names_subscribe: ['x'] })
    expect(await stream.ask(LISTENER).take(LISTENER)).toEqual(['edge'])
    expect(stream.unheard.map((response) => response.type_url)).toEqual([CLUSTER])
    expect(lines.filter(({ msg }) => msg.includes('runtime.v3.Runtime'))).toHaveLength(1)
  })

  test('C5 before the first snapshot streams are turned away: UNAVAILABLE, nothing is sent', async () => {
    const { open, server } = await start()
    const early = open().ask(CLUSTER)
    expect((await early.ended()).code).toBe(status.UNAVAILABLE)
    expect(early.unheard).toEqual([])
    server.publish(EMPTY)
    expect(await open().ask(CLUSTER).take(CLUSTER)).toEqual([])
  })

  test('C6 several streams of one connection are served, each by itself', async () => {
    const { connect } = await start(edge({ a: '1' }))
    const connection = connect()
    const streams = [connection.open(), connection.open(), connection.open()]
    const taken = streams.map((stream) => stream.ask(CLUSTER).take(CLUSTER))
    expect(await Promise.all(taken)).toEqual([['a'], ['a'], ['a']])
  })
})

describe('what is sent', () => {
  test('C21 every Any has the type of its response, every resource its bytes and version; no name comes twice', async () => {
    const target = edge({ a: '1', b: '1' })
    const { open } = await start(target)
    const { resources = [], removed_resources = [], type_url } = await open().ask(CLUSTER).next(CLUSTER)
    const wanted = [...(target.resources.get(CLUSTER)?.values() ?? [])]
    expect(resources.map(({ name, version, resource }) => ({ name, version, ...resource }))).toEqual(
      wanted.map(({ name, version, body }) => ({ name, version, ...body })),
    )
    expect(resources.every(({ resource }) => resource?.type_url === type_url)).toBe(true)
    const names = [...resources.map(({ name }) => name), ...removed_resources]
    expect(new Set(names).size).toBe(names.length)
  })

  test('C22 a response says which revision it is of, and which server sent it', async () => {
    const target = edge({ a: '1' })
    const { open } = await start(target)
    const response = await open().ask(CLUSTER).next(CLUSTER)
    expect(response.system_version_info).toBe(target.revision)
    expect(response.control_plane?.identifier).toBe(`test/1 ${target.revision}`)
  })

  test('C26 an edit travels: new cluster, endpoints, routes, then the removal', async () => {
    const { open, server } = await start(edge({ a: '1' }))
    const stream = open()
    await boot(stream, 'a')
    server.publish(edge({ b: '1' }))
    const added = await stream.next(CLUSTER)
    await stream.subscribe(ENDPOINTS, 'b').take(ENDPOINTS)
    expect(stream.unheard).toEqual([])
    expect(await stream.ack(added).take(ROUTES)).toEqual(['edge'])
    expect((await stream.next(CLUSTER)).removed_resources).toEqual(['a'])
  })

  test('C42 a snapshot of the same content is no news', async () => {
    const { open, server } = await start(edge({ a: '1' }))
    const stream = open()
    await boot(stream, 'a')
    server.publish(edge({ a: '1' }))
    server.publish(edge({ a: '1', b: '1' }))
    expect(await stream.take(CLUSTER)).toEqual(['b'])
    expect(stream.unheard).toEqual([])
  })

  test('XD-8 a NACK is logged with what Envoy said and where the definition is', async () => {
    const { open, lines } = await start(edge({ a: '1' }))
    const stream = open('envoy-1').ask(CLUSTER)
    stream.nack(await stream.next(CLUSTER), 'Error adding/updating cluster(s) a: no such luck')
    const line = await until('the line', () => lines.find(({ level }) => level >= 50))
    expect(line.msg).toMatch(/^envoy-1 refused Cluster a \(a\.ts:7\): .*no such luck/)
    expect(line).toMatchObject({ names: ['a'], origins: ['a.ts:7'] })
  })
})

describe('waiting until it is live', () => {
  test('XD-1 resolves when the last client has acknowledged the last response', async () => {
    const { open, server } = await start(edge({ a: '1' }))
    const stream = open()
    await boot(stream, 'a')
    server.publish(edge({ a: '2' }))
    const settled = server.settled(60_000)
    let live = false
    void settled.then(() => {
      live = true
    })
    await stream.take(CLUSTER)
    const last = await stream.next(ENDPOINTS)
    expect(live).toBe(false)
    stream.ack(last)
    expect(await settled).toEqual({ acknowledged: 1, connected: 1 })
  })

  test('C8 a refusal ends the wait at once, and does not count as acknowledged', async () => {
    const { open, server } = await start(edge({ a: '1' }))
    const stream = open()
    await boot(stream, 'a')
    server.publish(snapshot([cluster('a'), endpoints('a'), listener('edge'), routes('edge', ['a'], 'bad')]))
    const settled = server.settled(60_000)
    stream.nack(await stream.next(ROUTES), 'duplicate domain')
    expect(await settled).toEqual({ acknowledged: 0, connected: 1 })
  })

  test('a client that leaves, or says nothing, is not waited for longer than asked', async () => {
    const { open, server } = await start(edge({ a: '1' }))
    const stream = open().ask(CLUSTER)
    await stream.next(CLUSTER)
    expect(await server.settled(20)).toEqual({ acknowledged: 0, connected: 1 })
    const settled = server.settled(60_000)
    stream.cancel()
    expect(await settled).toEqual({ acknowledged: 0, connected: 0 })
  })
})

describe('limits', () => {
  test('a reconnect request over 4 MiB is understood: it names all that the client holds', async () => {
    const { open } = await start(edge({ a: '1' }))
    const held = Array.from({ length: 20_000 }, (_, at) => [`${at}-`.padEnd(250, 'x'), 'version-1234'])
    const stream = open().ask(CLUSTER, { initial_resource_versions: Object.fromEntries(held) })
    expect(await stream.take(CLUSTER)).toEqual(['a'])
  })

  test('one stream more than allowed is turned away with RESOURCE_EXHAUSTED', async () => {
    const { connect } = await start(edge({ a: '1' }), { streams: 1 })
    const connection = connect()
    await connection.open().ask(CLUSTER).take(CLUSTER)
    expect((await connection.open().ask(CLUSTER).ended()).code).toBe(status.RESOURCE_EXHAUSTED)
  })

  test('C36 closing ends streams that would never end', async () => {
    const { open, server } = await start(edge({ a: '1' }))
    const stream = open().ask(CLUSTER)
    await stream.next(CLUSTER)
    server.close()
    expect((await stream.ended()).code).not.toBe(status.OK)
  })

  test('C40 a client that does not read is cut off; the others are served on', async () => {
    const big = Array.from({ length: 40 }, (_, at) => endpoints(`big-${at}`, 'x'.repeat(200_000)))
    const { open, server, lines } = await start(snapshot([cluster('a'), ...big]), { drainMs: 100 })
    const stalled = open('stalled')
    stalled.pause()
    stalled.subscribe(ENDPOINTS, ...big.map(({ name }) => name))
    await until('the cut', () => lines.some(({ msg }) => msg.startsWith('stalled read nothing for 100 ms')))
    expect((await stalled.ended()).code).not.toBe(status.OK)
    expect(server.streams.size).toBe(0)
    expect(await open().ask(CLUSTER).take(CLUSTER)).toEqual(['a'])
  })

  test('C40 a client that takes nothing of its very first response is cut off, too', async () => {
    const { server, lines } = await start(snapshot([endpoints('big', 'x'.repeat(1_000_000))]), { drainMs: 100 })
    const session = connectHttp2(`http://127.0.0.1:${server.port}`)
    const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'
    const request = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    const body = encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
      ...{ node: { id: 'stalled', cluster: 'x' }, type_url: ENDPOINTS, resource_names_subscribe: ['big'] },
    })
    const frame = Buffer.alloc(5)
    frame.writeUInt32BE(body.length, 1)
    const closed = once(session, 'close')
    // Nothing reads the answer: the window stays shut.
    request.write(Buffer.concat([frame, body]))
    await closed
    expect(lines.some(({ msg }) => msg.startsWith('stalled read nothing'))).toBe(true)
  })

  test('C40 a client that reads gets all of it, however much it is', async () => {
    const big = Array.from({ length: 50 }, (_, at) => endpoints(`big-${at}`, 'x'.repeat(200_000)))
    const { open } = await start(snapshot(big), { drainMs: 1_000 })
    const stream = open().subscribe(ENDPOINTS, ...big.map(({ name }) => name))
    const taken = []
    for (const _ of big) taken.push(...(await stream.take(ENDPOINTS)))
    expect(taken.sort()).toEqual(big.map(({ name }) => name).sort())
  })

  test('C35 a peer that has gone without a word is noticed', async () => {
    const { server } = await start(edge({ a: '1' }), { keepaliveMs: 50, keepaliveTimeoutMs: 50 })
    const proxy = await freezableProxy(server.port)
    const connection = new DeltaConnection(proxy.port)
    await connection.open().ask(CLUSTER).next(CLUSTER)
    expect(server.streams.size).toBe(1)
    proxy.freeze()
    await until('the stream to be forgotten', () => server.streams.size === 0)
    connection.close()
    proxy.close()
  })

  test('C35 probes of the client are answered, also frequent ones', async () => {
    const { server } = await start(edge({ a: '1' }))
    const session = connectHttp2(`http://127.0.0.1:${server.port}`)
    await once(session, 'connect')
    const ping = () => new Promise<boolean>((resolve) => session.ping((error) => resolve(error === null)))
    for (let count = 0; count < 20; count++) expect(await ping()).toBe(true)
    session.destroy()
  })

  test('an address that is taken, or none, is said', async () => {
    const { server, log } = await start(edge({ a: '1' }))
    const at = (address: string) => createXdsServer({ identifier: 'x', now: Date.now, log, address })
    await expect(at(`127.0.0.1:${server.port}`)).rejects.toThrow(`xDS cannot listen on 127.0.0.1:${server.port}`)
    await expect(at('18000')).rejects.toThrow('must be host:port or [IPv6]:port, got 18000')
  })
})

/** Passes bytes both ways until it is told to pass none, with both connections open. */
async function freezableProxy(target: number) {
  const sockets: Socket[] = []
  const listening = createServer((near) => {
    const far = connectTcp(target, '127.0.0.1')
    sockets.push(near, far)
    near.pipe(far).on('error', () => near.destroy())
    far.pipe(near).on('error', () => far.destroy())
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  const address = listening.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    freeze() {
      for (const socket of sockets) socket.unpipe().pause()
    },
    close() {
      listening.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
