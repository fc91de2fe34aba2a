import { afterAll, beforeAll, expect, test } from 'vitest'
import { PROBLEMS } from '../../policies/problems.ts'
import { echo, type Gateway, startGateway } from '../support/gateway.ts'

let gateway: Gateway

beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway?.stop())

const header = (received: { headers: readonly (readonly [string, string])[] }, name: string) =>
  received.headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)

test('ID-7 a paying customer reaches the plant, which is told who calls', async () => {
  const response = await gateway.request('/api/cp/v1/agents', { as: 'paying' })
  const received = echo(response)
  expect(received.upstream).toBe('plant')
  expect(header(received, 'x-user-id')).toHaveLength(1)
  expect(header(received, 'x-customer-id')).toHaveLength(1)
  expect(header(received, 'x-user-email')[0]).toContain('@')
  expect(header(received, 'x-trial-mode')).toEqual(['false'])
  expect(response.headers['x-target-backend']).toBe('production')
})

test('design.md §3 credentials are not forwarded', async () => {
  const received = echo(
    await gateway.request('/api/cp/v1/agents', {
      as: 'paying',
      headers: [
        ['Cookie', 'session=1'],
        ['X-API-Key', 'k'],
      ],
    }),
  )
  for (const name of ['authorization', 'cookie', 'x-api-key']) expect(header(received, name)).toEqual([])
})

test.each([
  ['no token', '/api/cp/v1/agents', {}, 401, 'unauthorized'],
  ['no bearer', '/api/cp/v1/agents', { headers: [['Authorization', 'Basic YTpi']] }, 401, 'invalid-token-format'],
  ['a broken token', '/api/cp/v1/agents', { headers: [['Authorization', 'Bearer x.y.z']] }, 401, 'invalid-token'],
  ['AZ-3 a viewer deletes an agent on PP', '/api/v1/agents/7', { as: 'viewer', method: 'DELETE' }, 403, 'permission-denied'],
  ['TR-3 an expired trial', '/api/cp/v1/agents', { as: 'expired-trial' }, 403, 'trial-expired'],
  ['an unknown path', '/no/such/path', { as: 'paying' }, 404, 'not-found'],
  ['a known path, another method', '/api/cp/v1/agents', { as: 'paying', method: 'PUT' }, 405, 'method-not-allowed'],
  ['TRACE', '/api/cp/v1/agents', { as: 'paying', method: 'TRACE' }, 405, 'method-not-allowed'],
  ['a dot segment with an escaped slash', '/api/cp/v1/..%2fadmin', { as: 'paying' }, 400, 'bad-request'],
  ['a parameter in the path', '/api/cp/v1/agents/7;x', { as: 'paying' }, 400, 'bad-request'],
  ['a second escape', '/api/cp/v1/agents/%252f', { as: 'paying' }, 400, 'bad-request'],
  ['an underscore in a header name', '/api/cp/v1/agents', { as: 'paying', headers: [['x_user_id', 'admin']] }, 400, 'bad-request'],
  ['headers over the limit', '/api/cp/v1/agents', { as: 'paying', headers: [['x-big', 'x'.repeat(70_000)]] }, 431, 'headers-too-large'],
  ['two Host headers', '/api/cp/v1/agents', { as: 'paying', headers: [['Host', 'a.com'], ['Host', 'b.com']] }, 400, 'bad-request'],
  ['two Authorization headers', '/api/cp/v1/agents', { as: 'paying', headers: [['Authorization', 'Bearer a.b.c']] }, 401, 'invalid-token-format'],
  ['two Content-Types', '/api/cp/v1/tasks', { as: 'paying', method: 'POST', headers: [['Content-Type', 'a/b'], ['Content-Type', 'c/d']] }, 400, 'bad-request'],
  ['a malformed Host', '/api/cp/v1/agents', { as: 'paying', headers: [['Host', 'a b']] }, 400, 'bad-request'],
] as const)('RT-7 %s: problem+json with its ids', async (_name, path, request, status, slug) => {
  const response = await gateway.request(path, request as never)
  expect(response.status).toBe(status)
  expect(response.headers['content-type']).toBe('application/problem+json')
  const problem = response.json()
  expect(problem).toMatchObject({ type: `https://waooaw.com/errors/${slug}`, status, title: PROBLEMS[slug].title })
  expect(problem['detail']).toEqual(expect.any(String))
  expect(response.headers['x-correlation-id']).toMatch(/^[A-Za-z0-9._-]{1,128}$/)
  if (status === 401) expect(response.headers['www-authenticate']).toContain('Bearer')
  if (status === 405 && request !== undefined) expect(response.headers['allow']).toContain('GET')
}) // biome-ignore format: a table

test('RT-7 a body over 10 MB is 413, one of exactly 10 MB passes', async () => {
  const post = (bytes: number) =>
    gateway.request('/api/cp/v1/tasks', { as: 'paying', method: 'POST', body: Buffer.alloc(bytes) })
  const large = await post(10 * 1024 * 1024 + 1)
  expect(large.status).toBe(413)
  expect(large.json()).toMatchObject({ type: 'https://waooaw.com/errors/payload-too-large' })
  expect((await post(10 * 1024 * 1024)).status).toBe(200)
})

test('AZ-4 a trial user works in the sandbox', async () => {
  const response = await gateway.request('/api/cp/v1/agents', { as: 'trial' })
  expect(echo(response).upstream).toBe('plant-sandbox')
  expect(response.headers['x-target-backend']).toBe('sandbox')
})

test('AZ-3 an allowed call on PP tells the client by which role', async () => {
  const response = await gateway.request('/api/v1/agents/7', { as: 'admin', method: 'DELETE' })
  expect(response.status).toBe(200)
  expect(response.headers['x-rbac-roles']).toContain('admin')
  expect(response.headers['x-rbac-role-level']).toBe('1')
})

test('ID-6 public paths pass without a token, and without an identity', async () => {
  const received = echo(await gateway.request('/health'))
  expect(received.headers.filter(([name]) => name.toLowerCase().startsWith('x-user'))).toEqual([])
})

test('design.md §3 GET serves HEAD', async () => {
  expect((await gateway.request('/api/cp/v1/agents', { as: 'paying', method: 'HEAD' })).status).toBe(200)
})

test('RT-4 a preflight is answered at the edge for a listed origin, without a token, and grants nothing to another', async () => {
  const preflight = (origin: string) =>
    gateway.request('/api/cp/v1/agents', {
      method: 'OPTIONS',
      headers: [
        ['Origin', origin],
        ['Access-Control-Request-Method', 'GET'],
      ],
    })
  const good = await preflight('https://portal.waooaw.com')
  expect(good.status).toBe(200)
  expect(good.headers['access-control-allow-origin']).toBe('https://portal.waooaw.com')
  expect(good.headers['access-control-allow-credentials']).toBe('true')
  for (const origin of ['https://evil.com', 'https://portal.waooaw.com.evil.com', 'null']) {
    expect((await preflight(origin)).headers).not.toHaveProperty('access-control-allow-origin')
  }
  const plain = await gateway.request('/api/cp/v1/agents', {
    method: 'OPTIONS',
    headers: [['Origin', 'https://portal.waooaw.com']],
  })
  expect(plain.status).toBe(405)
})

const SECURITY = [
  'x-content-type-options',
  'x-frame-options',
  'x-xss-protection',
  'content-security-policy',
  'referrer-policy',
  'permissions-policy',
]

test.each([
  ['200', '/health', {}],
  ['401', '/api/cp/v1/agents', {}],
  ['404', '/none', {}],
  ['405', '/health', { method: 'PUT' }],
  ['431', '/health', { headers: [['x-big', 'x'.repeat(70_000)]] }],
] as const)('RT-6 the answer %s carries every security header and no server header', async (status, path, request) => {
  const response = await gateway.request(path, request as never)
  expect(String(response.status)).toBe(status)
  for (const name of SECURITY) expect(response.headers).toHaveProperty(name)
  expect(response.headers).not.toHaveProperty('server')
  expect(response.headers).not.toHaveProperty('x-envoy-upstream-service-time')
})

test('RT-8 a good correlation id is kept, x-request-id becomes the causation id, both reach the upstream', async () => {
  const response = await gateway.request('/health', {
    headers: [
      ['X-Correlation-ID', 'order-7'],
      ['X-Request-ID', 'cause-9'],
    ],
  })
  const received = echo(response)
  expect(header(received, 'x-correlation-id')).toEqual(['order-7'])
  expect(header(received, 'x-causation-id')).toEqual(['cause-9'])
  expect(header(received, 'x-request-id')[0]).not.toBe('cause-9')
  expect(response.headers['x-correlation-id']).toBe('order-7')
})

test.each(['a b', '<script>', 'x'.repeat(300), 'a,b'])('RT-8 the bad correlation id %j is replaced', async (id) => {
  const received = echo(await gateway.request('/health', { headers: [['X-Correlation-ID', id]] }))
  expect(header(received, 'x-correlation-id')).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)])
})
