import { rm } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'

/**
 * One unary method: gets the message's bytes and answers the call, now or later. What it throws fails the call. Callbacks instead of
 * promises: a call's garbage is most of what it costs.
 */
export type UnaryMethod = (message: Buffer, call: UnaryCall) => void

/** Where an answer goes: one of the two is called, once. */
export interface UnaryCall {
  /** The answer as bytes, or as text of one character a byte. */
  send(message: Buffer | string): void
  /** Ends the call with the error's code, INTERNAL where it has none. */
  fail(error: unknown): void
}

/** What a gRPC call ends with besides its message; the codes are those of google.rpc.Code. */
export class GrpcError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** The codes used here. */
export const GRPC = { OK: 0, NOT_FOUND: 5, RESOURCE_EXHAUSTED: 8, UNIMPLEMENTED: 12, INTERNAL: 13 } as const

/** Largest message that is read, bytes: 60 KiB of headers and the policy, with room. */
const MAX_MESSAGE_BYTES = 1 << 20
/** Compression flag and length in front of every message. */
const PREFIX_BYTES = 5
/** Memory of one connection, MB. */
const MAX_SESSION_MEMORY = 32
const MAX_CONCURRENT_STREAMS = 1000
const MAX_CONNECTIONS = 256
/** Of a connection; one Check fits into it, so that Envoy never waits for a window. */
const WINDOW_BYTES = 1 << 20

/** As a list they are sent as they are; as an object they are copied for each call. Nobody reads a date here. */
const HEADERS = [':status', '200', 'content-type', 'application/grpc'] as const
const TRAILERS_OK = { 'grpc-status': '0' }
const WITH_TRAILERS = { waitForTrailers: true, sendDate: false }
const WITHOUT_BODY = { endStream: true, sendDate: false }

/** A gRPC server on a Unix socket. */
export interface GrpcServer {
  /** Refuses new calls, finishes those under way, then closes. */
  close(): Promise<void>
}

/**
 * Serves unary gRPC methods by path (`/package.Service/Method`) on a Unix socket that only this user can reach: gRPC over HTTP/2
 * (grpc.io, "PROTOCOL-HTTP2") straight on node:http2, without compression, for grpc-js's layers cost a call more than its decision
 * (docs/benchmarks.md).
 */
export async function serveGrpc(socket: string, methods: ReadonlyMap<string, UnaryMethod>): Promise<GrpcServer> {
  const server = createServer({
    maxSessionMemory: MAX_SESSION_MEMORY,
    // Only our own headers would be checked, for each call.
    strictSingleValueFields: false,
    settings: { maxConcurrentStreams: MAX_CONCURRENT_STREAMS, initialWindowSize: WINDOW_BYTES, enablePush: false },
  })
  server.maxConnections = MAX_CONNECTIONS
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    session.setLocalWindowSize(WINDOW_BYTES)
    session.once('close', () => sessions.delete(session))
    // A connection that breaks is Envoy's to open again; its calls end with it.
    session.on('error', () => session.destroy())
  })
  server.on('stream', (stream, headers) => new Call(stream, headers, methods))
  // kill -9 leaves the file behind; a second bind to it would fail (facts/envoy.md §5).
  await rm(socket, { force: true })
  const mask = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(new Error(`cannot listen on ${socket}`, { cause: error })))
      server.listen(socket, resolve)
    })
  } finally {
    process.umask(mask)
  }
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const session of sessions) session.close()
      }),
  }
}

/** One call from its headers to its trailers. */
class Call implements UnaryCall {
  readonly #stream: ServerHttp2Stream
  #read: Buffer | undefined

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, methods: ReadonlyMap<string, UnaryMethod>) {
    this.#stream = stream
    const method = methods.get(String(headers[':path']))
    stream.on('error', ignore)
    if (method === undefined) {
      this.fail(new GrpcError(GRPC.UNIMPLEMENTED, `no method ${headers[':path']}`))
      return
    }
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
    stream.on('end', () => this.#answer(method))
  }

  #take(chunk: Buffer): void {
    if (this.#stream.headersSent) return
    this.#read = this.#read === undefined ? chunk : Buffer.concat([this.#read, chunk])
    if (this.#read.length <= MAX_MESSAGE_BYTES + PREFIX_BYTES) return
    this.#read = undefined
    this.fail(new GrpcError(GRPC.RESOURCE_EXHAUSTED, `a message of more than ${MAX_MESSAGE_BYTES} bytes`))
  }

  #answer(method: UnaryMethod): void {
    if (this.#stream.headersSent) return
    const read = this.#read
    // A stream that has ended lives until the next full collection, and the message with all that was read beside it.
    this.#read = undefined
    try {
      method(messageIn(read), this)
    } catch (error) {
      this.fail(error)
    }
  }

  send(message: Buffer | string): void {
    const stream = this.#stream
    if (stream.destroyed || stream.closed || stream.headersSent) return
    const bytes = framed(message)
    stream.once('wantTrailers', sendOk)
    stream.respond(HEADERS, WITH_TRAILERS)
    stream.end(bytes)
  }

  fail(error: unknown): void {
    const stream = this.#stream
    if (stream.destroyed || stream.closed || stream.headersSent) return
    const code = error instanceof GrpcError ? error.code : GRPC.INTERNAL
    const message = encodeURI((error instanceof Error ? error.message : String(error)).toWellFormed())
    stream.respond([...HEADERS, 'grpc-status', String(code), 'grpc-message', message], WITHOUT_BODY)
    stream.resume()
  }
}

function ignore(): void {
  // The caller gave up or its connection broke: nobody is left to tell.
}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(TRAILERS_OK)
}

function messageIn(read: Buffer | undefined): Buffer {
  if (read === undefined || read.length < PREFIX_BYTES) throw new GrpcError(GRPC.INTERNAL, 'a call without a message')
  if (read[0] !== 0) throw new GrpcError(GRPC.UNIMPLEMENTED, 'compressed messages are not read')
  const length = read.readUInt32BE(1)
  if (length !== read.length - PREFIX_BYTES) throw new GrpcError(GRPC.INTERNAL, 'a call with half a message, or two')
  return read.subarray(PREFIX_BYTES)
}

function framed(message: Buffer | string): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + message.length)
  bytes[0] = 0
  bytes.writeUInt32BE(message.length, 1)
  if (typeof message === 'string') bytes.write(message, PREFIX_BYTES, 'latin1')
  else message.copy(bytes, PREFIX_BYTES)
  return bytes
}
