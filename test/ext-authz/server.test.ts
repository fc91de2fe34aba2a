import { join } from 'node:path'
import { Client, credentials } from '@grpc/grpc-js'
import { service } from 'grpc-health-check'
import { expect, onTestFinished, test } from 'vitest'
import { serveChecks } from '../../ext-authz/server.ts'
import { createHealth } from '../../runtime/health.ts'
import { temporaryFolder } from '../runtime/embedded/temporary-folder.ts'

test('OB-4 gRPC health follows the worker, for the server and for its service, and knows no other', async () => {
  const health = createHealth('the key sets')
  const socket = join(temporaryFolder(), 'health.sock')
  const server = await serveChecks({ socket, health, check: () => Buffer.alloc(0) })
  const client = new Client(`unix:${socket}`, credentials.createInsecure())
  onTestFinished(() => {
    client.close()
    return server.close()
  })
  const { path, requestSerialize, responseDeserialize } = service['Check'] ?? {}
  if (path === undefined || requestSerialize === undefined || responseDeserialize === undefined)
    throw new Error('no Check')
  const check = (name: string) =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service: name }, (error, answer) =>
        error ? reject(error) : resolve(answer),
      ),
    )
  expect(await check('')).toMatchObject({ status: 'NOT_SERVING' })
  health.move({ at: 'ready' })
  expect(await check('')).toMatchObject({ status: 'SERVING' })
  expect(await check('envoy.service.auth.v3.Authorization')).toMatchObject({ status: 'SERVING' })
  await expect(check('another.Service')).rejects.toMatchObject({ code: 5 })
  health.move({ at: 'draining' })
  expect(await check('')).toMatchObject({ status: 'NOT_SERVING' })
})
