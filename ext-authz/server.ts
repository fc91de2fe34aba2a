import { rm } from 'node:fs/promises'
import { type handleUnaryCall, Server, ServerCredentials, status } from '@grpc/grpc-js'
import { authorizationService } from '../protos/auth.ts'
import { grpcHealth, type Health } from '../runtime/health.ts'
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
  readonly check: (request: CheckParts) => Promise<Buffer>
}): Promise<CheckServer> {
  const server = new Server({
    'grpc.max_receive_message_length': MAX_CHECK_BYTES,
    'grpc.max_concurrent_streams': MAX_CONCURRENT_STREAMS,
    'grpc-node.max_session_memory': MAX_SESSION_MIB,
  })
  server.addService(withEncodedAnswers(), { Check: unary(options.check) })
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

/** Answers are encoded where they are made, once per remembered consent, and pass through here as bytes. */
function withEncodedAnswers() {
  const { Check } = authorizationService
  return { Check: { ...Check, responseSerialize: (answer: Buffer) => answer } }
}

function unary(check: (request: CheckParts) => Promise<Buffer>): handleUnaryCall<CheckParts, Buffer> {
  return (call, callback) => {
    check(call.request).then(
      (answer) => callback(null, answer),
      // Only encoding our own answer can fail here; Envoy turns it into its 503.
      (error: unknown) => callback({ code: status.INTERNAL, details: String(error) }),
    )
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
