import type { Health } from '../runtime/health.ts'
import { CheckReader } from './check-reader.ts'
import { GRPC, GrpcError, type GrpcServer, serveGrpc, type UnaryCall, type UnaryMethod } from './grpc-server.ts'
import type { CheckParts } from './request.ts'

const SERVICE = 'envoy.service.auth.v3.Authorization'
/** `grpc.health.v1.HealthCheckResponse` with its one field, in wire form. */
const SERVING = Buffer.from([0x08, 1])
const NOT_SERVING = Buffer.from([0x08, 2])

/** Serves `Authorization/Check` and the health that Envoy asks for (`grpc.health.v1.Health/Check` of the whole server). */
export function serveChecks(options: {
  readonly socket: string
  readonly health: Health
  /** `arrived` by `performance.now()`. */
  readonly check: (request: CheckParts, call: UnaryCall, arrived: number) => void
}): Promise<GrpcServer> {
  const { check, health } = options
  const reader = new CheckReader()
  const methods = new Map<string, UnaryMethod>([
    [
      `/${SERVICE}/Check`,
      (message, call) => {
        const arrived = performance.now()
        check(reader.read(message), call, arrived)
      },
    ],
    ['/grpc.health.v1.Health/Check', (message, call) => call.send(healthOf(message, health))],
  ])
  return serveGrpc(options.socket, methods)
}

/** Of the whole server (no name) or of this service; the request's only field is the name, 1, of less than 128 bytes. */
function healthOf(message: Buffer, health: Health): Buffer {
  const name = message.toString('utf8', 2)
  if (name !== '' && name !== SERVICE) throw new GrpcError(GRPC.NOT_FOUND, 'no such service here')
  return health.phase().at === 'ready' ? SERVING : NOT_SERVING
}
