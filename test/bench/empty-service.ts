import { rm } from 'node:fs/promises'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js'
import { passResponse } from '../../ext-authz/check-response.ts'
import { authorizationService } from '../../protos/auth.ts'
import type { CheckRequest__Output } from '../../protos/gen/envoy/service/auth/v3/CheckRequest.ts'
import { createHealth } from '../../runtime/health.ts'
import { grpcHealth } from '../support/grpc-health.ts'
import { benchIdentity } from './tokens.ts'

/**
 * What authorization costs before it decides anything: grpc-js, our messages, one answer that never changes, with the headers that
 * ours has. Listens on the Unix socket of its first argument.
 */
const socket = process.argv[2]
if (socket === undefined) throw new Error('the path of the socket is missing')

const ANSWER = passResponse({ kind: 'pass', identity: benchIdentity(0), target: 'production', rbac: true })

type Answer = ReturnType<typeof passResponse>

const health = createHealth('the socket')
const server = new Server()
server.addService(authorizationService, {
  Check: (_call: ServerUnaryCall<CheckRequest__Output, Answer>, callback: sendUnaryData<Answer>) =>
    callback(null, ANSWER),
})
grpcHealth(health).addToServer(server)
await rm(socket, { force: true })
await new Promise<void>((resolve, reject) => {
  server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
    error === null ? resolve() : reject(error),
  )
})
health.move({ at: 'ready' })
process.send?.({ kind: 'serving' })
process.once('SIGTERM', () => server.tryShutdown(() => process.exit(0)))
process.on('disconnect', () => process.exit(1))
