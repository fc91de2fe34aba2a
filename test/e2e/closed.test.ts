import { rm } from 'node:fs/promises'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authorizationService } from '../../protos/auth.ts'
import { createHealth } from '../../runtime/health.ts'
import { answers, type Gateway, startGateway } from '../support/gateway.ts'
import { grpcHealth } from '../support/grpc-health.ts'
import { until } from '../support/until.ts'

let gateway: Gateway
const liars: Server[] = []

beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(async () => {
  for (const server of liars) server.forceShutdown()
  await gateway?.stop()
})

/** A broken authorizer in place of ours: it lets everything through and says nothing more. */
async function letEverythingThrough(): Promise<void> {
  const sockets = new Set(
    [...(await gateway.admin('/clusters')).matchAll(/^ext-authz::(\/[^:]+\.sock)::/gm)].map(([, path]) => path ?? ''),
  )
  await gateway.sallyport.part('ext-authz').stop()
  for (const socket of sockets) {
    await rm(socket, { force: true })
    const server = new Server()
    server.addService(
      { Check: authorizationService.Check },
      {
        Check: (_call: unknown, callback: (error: null, answer: object) => void) =>
          callback(null, { status: { code: 0 }, ok_response: {} }),
      },
    )
    const health = createHealth('nothing')
    grpcHealth(health).addToServer(server)
    health.move({ at: 'ready' })
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      ),
    )
    liars.push(server)
  }
}

test('AZ-4 an answer without a chosen target is 503, not production, whatever target the client names', async () => {
  await letEverythingThrough()
  await answers(gateway, '/health', 200)
  for (const path of ['/api/cp/v1/agents', '/api/cp/v1/agents/7', '/api/v1/agents']) {
    for (const target of [undefined, 'production', 'sandbox']) {
      const headers = target === undefined ? [] : ([['x-sallyport-target', target]] as const)
      const response = await gateway.request(path, { headers })
      expect({ path, target, status: response.status }).toEqual({ path, target, status: 503 })
      expect(response.json()).toMatchObject({ type: 'https://waooaw.com/errors/service-unavailable' })
    }
  }
})

test('XD-3 a route that could not choose its target does not load, and the reason has a place', async () => {
  const from = gateway.events.length
  await gateway.write(
    'undecided.ts',
    `import { defineGateway, get, http, open } from '../define.ts'
export default defineGateway({ name: 'undecided', type: 'project', prefix: '/undecided', identity: open('nobody is identified here'), upstreams: { a: http('plant:8000'), b: http('plant-sandbox:8001') }, target: { paid: 'a', trial: 'b' }, routes: { one: get('/one') } })
`,
  )
  const event = await until('the mistake to be shown', () =>
    gateway.events.slice(from).find((said) => said.kind === 'said' && said.line.includes('undecided.ts:2')),
  )
  expect(event).toMatchObject({ part: 'xds-server' })
})
