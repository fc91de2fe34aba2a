import { rm } from 'node:fs/promises'
import { type handleUnaryCall, Server, ServerCredentials, status } from '@grpc/grpc-js'
import { authorizationService } from '../protos/auth.ts'
import { grpcHealth, type Health } from '../runtime/health.ts'
import { CheckReader } from './check-reader.ts'
import type { CheckParts } from './request.ts'

/** Largest Check that is read, bytes: 60 KiB of headers and the policy, with room. */
const MAX_CHECK_BYTES = 1 << 20
/** Session memory of one Envoy connection, MiB; grpc-js sets no limit by itself. */
const MAX_SESSION_MIB = 32
const MAX_CONCURRENT_STREAMS = 1000

/** A worker's gRPC server on its Unix socket. */
export interface CheckServer {
  /** Finishes the calls under way, then closes. */
  close(): Promise<void>
}

/** Serves `Authorization/Check` and gRPC health on a socket only this user can reach. */
export async function serveChecks(options: {
  readonly socket: string
  readonly health: Health
  readonly check: (request: CheckParts) => Buffer | Promise<Buffer>
}): Promise<CheckServer> {
  const server = new Server({
    'grpc.max_receive_message_length': MAX_CHECK_BYTES,
    'grpc.max_concurrent_streams': MAX_CONCURRENT_STREAMS,
    'grpc-node.max_session_memory': MAX_SESSION_MIB,
    // Its counters cost each call a little, and nothing of ours serves them.
    'grpc.enable_channelz': 0,
  })
  server.addService(onWireBytes(), { Check: unary(options.check) })
  grpcHealth(options.health, ['envoy.service.auth.v3.Authorization']).addToServer(server)
  // kill -9 leaves the file behind; a second bind to it would fail (facts/envoy.md §5).
  await rm(options.socket, { force: true })
  const mask = process.umask(0o177)
  try {
    await bind(server, options.socket)
  } finally {
    process.umask(mask)
  }
  return { close: () => new Promise((resolve) => server.tryShutdown(() => resolve())) }
}

/** Requests are read in part, and answers are encoded where they are made, once per remembered consent. */
function onWireBytes() {
  const { Check } = authorizationService
  const reader = new CheckReader()
  return {
    Check: {
      ...Check,
      requestDeserialize: (bytes: Buffer) => reader.read(bytes),
      responseSerialize: (answer: Buffer) => answer,
    },
  }
}

function unary(check: (request: CheckParts) => Buffer | Promise<Buffer>): handleUnaryCall<CheckParts, Buffer> {
  return (call, callback) => {
    // Only encoding our own answer can fail here; Envoy turns it into its 503.
    const failed = (error: unknown) => callback({ code: status.INTERNAL, details: String(error) })
    try {
      const answer = check(call.request)
      if (answer instanceof Promise) answer.then((late) => callback(null, late), failed)
      else callback(null, answer)
    } catch (error) {
      failed(error)
    }
  }
}

function bind(server: Server, socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve()
      else reject(new Error(`cannot listen on ${socket}`, { cause: error }))
    })
  })
}
