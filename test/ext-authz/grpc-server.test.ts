import { stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { afterEach, expect, test } from 'vitest'
import { type GrpcServer, serveGrpc, type UnaryMethod } from '../../ext-authz/grpc-server.ts'
import { temporaryFolder } from '../runtime/embedded/temporary-folder.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const METHODS = new Map<string, UnaryMethod>([
  ['/test.Echo/Now', (message, call) => call.send(message)],
  ['/test.Echo/Later', (message, call) => void setImmediate(() => call.send(message))],
  ['/test.Echo/Text', (message, call) => call.send(message.toString('latin1'))],
  ['/test.Echo/Fails', (_, call) => void setImmediate(() => call.fail(new Error('broken later')))],
  [
    '/test.Echo/Twice',
    (message, call) => {
      call.send(message)
      call.send(message)
      call.fail(new Error('too late'))
    },
  ],
  [
    '/test.Echo/Throws',
    () => {
      throw new Error('broken: ü')
    },
  ],
])

async function serving(methods: ReadonlyMap<string, UnaryMethod> = METHODS) {
  const socket = join(await temporaryFolder(), 'grpc.sock')
  const server = await serveGrpc(socket, methods)
  closers.push(() => server.close())
  const client = new Client(`unix:${socket}`, credentials.createInsecure())
  closers.push(() => client.close())
  return { socket, server, call: (path: string, message: Buffer, gzip = false) => call(client, path, message, gzip) }
}

function call(client: Client, path: string, message: Buffer, gzip: boolean): Promise<Buffer> {
  const same = (bytes: Buffer) => bytes
  const metadata = new Metadata()
  if (gzip) metadata.set('grpc-internal-encoding-request', 'gzip')
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, same, same, message, metadata, (error, answer) => {
      if (error !== null) reject(error)
      else resolve(answer ?? Buffer.alloc(0))
    })
  })
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('the call passed')
    },
    ({ code, details }: ServiceError) => ({ code, details }),
  )

test('PF-1 a call gets its answer, at once or later, empty or large, many at a time', async () => {
  const { call } = await serving()
  const large = Buffer.alloc(1 << 20, 0xe7)
  for (const path of ['/test.Echo/Now', '/test.Echo/Later', '/test.Echo/Text', '/test.Echo/Twice']) {
    expect(await call(path, Buffer.alloc(0))).toHaveLength(0)
    expect((await call(path, large)).equals(large)).toBe(true)
    const many = await Promise.all(Array.from({ length: 300 }, (_, at) => call(path, Buffer.from(`call ${at}`))))
    expect(many.map(String)).toEqual(Array.from({ length: 300 }, (_, at) => `call ${at}`))
  }
})

test('AZ-7 what cannot be answered ends with the code of gRPC that says so, and the connection goes on', async () => {
  const { call } = await serving()
  expect(await failure(call('/test.Echo/None', Buffer.alloc(9)))).toEqual({
    code: 12,
    details: 'no method /test.Echo/None',
  })
  expect(await failure(call('/test.Echo/Throws', Buffer.alloc(9)))).toEqual({ code: 13, details: 'broken: ü' })
  expect(await failure(call('/test.Echo/Fails', Buffer.alloc(9)))).toEqual({ code: 13, details: 'broken later' })
  expect(await failure(call('/test.Echo/Now', Buffer.alloc((1 << 20) + 1)))).toEqual({
    code: 8,
    details: 'a message of more than 1048576 bytes',
  })
  expect(String(await call('/test.Echo/Now', Buffer.from('still here')))).toBe('still here')
})

test('AZ-7 bytes that are no HTTP/2 end their own connection only', async () => {
  const { call, socket } = await serving()
  const raw = connect(socket)
  await new Promise((resolve) => raw.once('connect', resolve))
  const closed = new Promise((resolve) => raw.once('close', resolve))
  raw.on('error', () => undefined)
  raw.resume()
  raw.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(20))
  await closed
  expect(String(await call('/test.Echo/Now', Buffer.from('still here')))).toBe('still here')
})

test('OB-4 closing waits for the call under way and takes no new one', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const { server, call } = await serving(
    new Map<string, UnaryMethod>([
      [
        '/test.Echo/Held',
        (message, call) => {
          begin()
          void gate.then(() => call.send(message))
        },
      ],
    ]),
  )
  const held = call('/test.Echo/Held', Buffer.from('under way'))
  await begun
  const closing = closedOnce(server)
  expect(closing.done).toBe(false)
  expect((await failure(call('/test.Echo/Held', Buffer.from('new')))).code).toBe(14)
  open()
  expect(String(await held)).toBe('under way')
  await closing.closed
})

function closedOnce(server: GrpcServer) {
  const state = { done: false, closed: Promise.resolve() }
  state.closed = server.close().then(() => {
    state.done = true
  })
  closers.shift()
  return state
}

test('ID-7 only the user who runs the worker reaches its socket', async () => {
  const { socket } = await serving()
  expect((await stat(socket)).mode & 0o777).toBe(0o600)
})
