import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { freePorts } from '../support/free-ports.ts'
import { until } from '../support/until.ts'
import type { Ledger } from './ledger.ts'
import { ChaosLoad, type LoadPlan } from './load.ts'

const KIND = { name: 'one', weight: 1, status: 200, path: '/' } as const
let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function serve(answer: RequestListener): Promise<number> {
  const started = createServer(answer)
  server = started
  await new Promise<void>((listening) => started.listen(0, '127.0.0.1', listening))
  return (started.address() as AddressInfo).port
}

/** The account of a load after some requests. */
async function ledgerOf(port: number, more: Partial<LoadPlan> = {}): Promise<Ledger> {
  const plan = { port, rate: 200, seed: 1, run: 'test', tokens: new Map(), kinds: [KIND], rawKinds: [], ...more }
  const load = new ChaosLoad(plan)
  await until('some requests', () => load.ledger.attempts.length >= 5)
  return load.stop()
}

const endings = (ledger: Ledger) => new Set(ledger.attempts.map(({ ending }) => ending?.how))

test('an answer is noted with its status and the request id that it names', async () => {
  const seen: unknown[] = []
  const port = await serve((request, response) => {
    seen.push(request.headers['x-correlation-id'])
    response.writeHead(403, { 'x-request-id': `for ${request.headers['x-correlation-id']}` }).end('no')
  })
  const { attempts } = await ledgerOf(port)
  expect(attempts.map(({ id }) => id).toSorted()).toEqual(seen.toSorted())
  for (const { id, sentAt, ending } of attempts) {
    expect(ending).toMatchObject({ how: 'answered', status: 403, requestId: `for ${id}` })
    expect(ending?.at).toBeGreaterThan(sentAt)
  }
})

test('a connection that breaks, also in the middle of an answer, is a reset', async () => {
  const broken = await serve((request) => request.socket.destroy())
  expect(endings(await ledgerOf(broken))).toEqual(new Set(['reset']))
  server?.close()
  const half = await serve((request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half')
    setTimeout(() => request.socket.destroy(), 10)
  })
  expect(endings(await ledgerOf(half))).toEqual(new Set(['reset']))
})

test('where nobody listens the request was refused at connect', async () => {
  const [port = 0] = await freePorts(1)
  expect(endings(await ledgerOf(port))).toEqual(new Set(['refused']))
})

test('a request that cannot be read comes from an address of its own, by which the ledger knows it', async () => {
  const from: (string | undefined)[] = []
  const port = await serve(() => undefined)
  server?.on('clientError', (_error, socket) => {
    from.push((socket as { remoteAddress?: string }).remoteAddress)
    socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')
  })
  const raw = { name: 'broken', weight: 1, status: 400, bytes: 'GET / HTTP/1.1\r\nno colon\r\n\r\n' }
  const { attempts } = await ledgerOf(port, { kinds: [], rawKinds: [raw] })
  expect(new Set(attempts.map(({ id }) => id)).size).toBe(attempts.length)
  expect(attempts.map(({ id }) => id).toSorted()).toEqual(from.toSorted())
  expect(attempts.map(({ ending }) => ending)).toEqual(attempts.map(() => expect.objectContaining({ status: 400 })))
})

test('the same seed sends the same mix', async () => {
  const port = await serve((_request, response) => response.end())
  const kinds = [KIND, { ...KIND, name: 'other' }]
  const names = async (seed: number) =>
    (await ledgerOf(port, { kinds, seed })).attempts.slice(0, 5).map((one) => one.kind)
  expect(await names(5)).toEqual(await names(5))
})
