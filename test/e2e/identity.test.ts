import { afterAll, beforeAll, expect, test } from 'vitest'
import { answers, echo, type Gateway, startGateway } from '../support/gateway.ts'
import { http } from '../support/http.ts'
import { SteadyLoad } from '../support/steady-load.ts'
import { until } from '../support/until.ts'

let gateway: Gateway

const RESTRICTED = `import { defineGateway, get, http, jwt } from '../define.ts'

export default defineGateway({
  name: 'restricted',
  type: 'project',
  prefix: '/restricted',
  identity: jwt('waooaw'),
  upstreams: { plant: http('plant:8000'), sandbox: http('plant-sandbox:8001') },
  target: { paid: 'plant', trial: 'sandbox' },
  routes: {
    office: get('/office', { addresses: ['127.0.0.2/32', '2001:db8::/32'] }),
    scoped: get('/scoped', { scopes: ['reports:read'] }),
    agents: get('/agents/{id}'),
  },
})
`

beforeAll(async () => {
  gateway = await startGateway({ edit: ({ write }) => write('restricted.ts', RESTRICTED) })
})
afterAll(() => gateway?.stop())

const bearer = (token: string) => [['Authorization', `Bearer ${token}`] as const]

test('ID-13 a token used from an allowed address is refused from another, whatever X-Forwarded-For says', async () => {
  const headers = bearer(await gateway.token('paying'))
  const from = (address: string, more: readonly (readonly [string, string])[] = []) =>
    gateway.request('/restricted/office', { headers: [...headers, ...more], from: address })
  expect((await from('127.0.0.2')).status).toBe(200)
  const refused = await from('127.0.0.1')
  expect(refused.status).toBe(403)
  expect(refused.json()).toMatchObject({ type: 'https://waooaw.com/errors/permission-denied', deny_reason: 'address' })
  const spoofs = [
    ['X-Forwarded-For', '127.0.0.2'],
    ['X-Envoy-External-Address', '127.0.0.2'],
    ['X-Real-IP', '127.0.0.2'],
  ] as const
  for (const spoof of spoofs) expect((await from('127.0.0.1', [spoof])).status).toBe(403)
  expect((await from('127.0.0.2')).status).toBe(200)
})

test('TR-3 a trial that ends while its token is remembered is refused within a second', async () => {
  const ends = Math.ceil(Date.now() / 1000) + 2
  const headers = bearer(await gateway.token('trial', { trial_expires_at: ends }))
  const ask = () => gateway.request('/restricted/agents/1', { headers })
  expect((await ask()).status).toBe(200)
  const refused = await until('the trial to end', async () => {
    const response = await ask()
    return response.status === 403 ? response : undefined
  })
  expect(Date.now()).toBeLessThan(ends * 1000 + 1000)
  expect(refused.json()).toMatchObject({
    type: 'https://waooaw.com/errors/trial-expired',
    upgrade_url: expect.any(String),
  })
})

test('ID-16 a scope that the route asks for', async () => {
  const ask = async (scopes: readonly string[]) =>
    (await gateway.request('/restricted/scoped', { headers: bearer(await gateway.token('paying', { scopes })) })).status
  expect(await ask(['reports:read'])).toBe(200)
  expect(await ask(['reports:*'])).toBe(200)
  expect(await ask(['agents:read'])).toBe(403)
})

test('ID-3 several issuers: each gateway takes its own and refuses the others, and all give one identity', async () => {
  for (const issuer of ['waooaw', 'waooaw-ai', 'keycloak']) {
    const headers = bearer(await gateway.token('developer', {}, { issuer }))
    const received = echo(await gateway.request('/api/v1/agents', { headers }))
    const roles = received.headers.find(([name]) => name === 'x-user-roles')
    expect({ issuer, roles: roles?.[1] }).toEqual({ issuer, roles: 'developer' })
  }
  const foreign = await gateway.request('/api/cp/v1/agents', {
    headers: bearer(await gateway.token('developer', {}, { issuer: 'keycloak' })),
  })
  expect(foreign.json()).toMatchObject({ status: 401, type: 'https://waooaw.com/errors/invalid-token' })
})

test('ID-4 keys rotate under load with no false 401, and a dropped key is refused', async () => {
  const before = bearer(await gateway.token('paying'))
  const load = new SteadyLoad(100)
  load.target('old key', { port: gateway.ports.http, path: '/api/cp/v1/agents', headers: before })
  const dev = (path: string) => http({ port: gateway.ports.issuer, method: 'POST', path })
  for (let rotation = 0; rotation < 3; rotation++) {
    expect((await dev('/dev/rotate')).status).toBe(200)
    const fresh = await Promise.all(Array.from({ length: 20 }, async () => bearer(await gateway.token('paying'))))
    const statuses = await Promise.all(fresh.map((headers) => gateway.request('/api/cp/v1/agents', { headers })))
    expect(new Set(statuses.map(({ status }) => status))).toEqual(new Set([200]))
    load.target('new key', { port: gateway.ports.http, path: '/api/cp/v1/agents', headers: fresh[0] ?? before })
  }
  expect((await load.stop()).failures).toEqual({})
  await dev('/dev/rotate')
  await dev('/dev/rotate?drop=old')
  // Each worker learns of it when it meets the newest key; the token of a dropped key then ends, remembered or not.
  const newest = bearer(await gateway.token('paying'))
  await until('every worker to refuse the dropped key', async () => {
    await gateway.request('/api/cp/v1/agents', { headers: newest })
    const answersOfOld = await Promise.all(
      Array.from({ length: 10 }, () => gateway.request('/api/cp/v1/agents', { headers: before })),
    )
    return answersOfOld.every(({ status }) => status === 401)
  })
})

test('ID-4 the issuer is down: known keys go on, also in a worker that starts meanwhile; then it is back', async () => {
  const headers = bearer(await gateway.token('paying'))
  await answers(gateway, '/api/cp/v1/agents', 200, { headers })
  const issuer = gateway.sallyport.part('issuer')
  const pid = issuer.pid()
  if (pid === undefined) throw new Error('no issuer')
  const fresh = bearer(await gateway.token('paying'))
  process.kill(pid, 'SIGSTOP')
  try {
    for (const each of [headers, fresh])
      expect((await gateway.request('/api/cp/v1/agents', { headers: each })).status).toBe(200)
    const authz = gateway.sallyport.part('ext-authz').pid()
    if (authz === undefined) throw new Error('no ext-authz')
    process.kill(authz, 'SIGKILL')
    await answers(gateway, '/health', 503)
    await answers(gateway, '/api/cp/v1/agents', 200, { headers })
  } finally {
    process.kill(pid, 'SIGCONT')
  }
})
