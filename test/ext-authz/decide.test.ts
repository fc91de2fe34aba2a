import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Verified } from '../../ext-authz/identity/verify.ts'
import { Memo } from '../../ext-authz/memo.ts'
import { outage } from '../../ext-authz/verdict.ts'
import type { RoutePolicy } from '../../policies/policy.ts'
import { PERMISSIONS, ROLES } from '../../policies/roles.ts'
import { checkBench } from '../support/check-bench.ts'
import { checkRequest, routePolicy } from '../support/check-request.ts'
import { TokenIssuer } from '../support/token-issuer.ts'

let issuer: TokenIssuer
const bench = checkBench()

beforeAll(async () => {
  issuer = await TokenIssuer.open()
})
afterAll(async () => {
  await bench.close()
  await issuer.close()
})

const policyOf = (overrides: Partial<RoutePolicy>) =>
  routePolicy({ identity: { kind: 'jwt', issuers: [issuer.policy()] }, ...overrides })

async function ask(
  policy: RoutePolicy | string | undefined,
  claims: Record<string, unknown> = {},
  request: Parameters<typeof checkRequest>[0] = {},
) {
  const authorization = `Bearer ${typeof claims['token'] === 'string' ? claims['token'] : await issuer.sign(claims)}`
  const headers = [['authorization', authorization] as const, ...(request.headers ?? [])]
  return bench.ask(checkRequest({ ...request, ...(policy === undefined ? {} : { policy }), headers }))
}

test('AZ-1 every role has exactly the permissions of the table', async () => {
  for (const [permission, holders] of Object.entries(PERMISSIONS)) {
    const [resource = '', action = ''] = permission.split(':')
    const policy = policyOf({ rbac: { permission: permission as keyof typeof PERMISSIONS, resource, action } })
    for (const role of Object.keys(ROLES)) {
      const wanted = (holders as readonly string[]).includes(role) ? 'pass' : 'permission-denied'
      expect(`${role} ${permission} ${(await ask(policy, { roles: [role] })).slug}`).toBe(
        `${role} ${permission} ${wanted}`,
      )
    }
  }
})

test('AZ-3 denied: 403 names the permission, the resource with its id and the reason; allowed: the answer carries X-RBAC', async () => {
  const policy = policyOf({
    path: '/api/v1/agents/{id}',
    rbac: { permission: 'agents:delete', resource: 'agents', action: 'delete', idSegment: 3 },
  })
  const denied = await ask(policy, { roles: ['viewer'] }, { method: 'DELETE', path: '/api/v1/agents/123' })
  expect(denied).toMatchObject({
    status: 403,
    slug: 'permission-denied',
    problem: {
      required_permission: 'agents:delete',
      resource: 'agents',
      resource_id: '123',
      action: 'delete',
      deny_reason: expect.stringContaining('viewer'),
    },
  })
  const allowed = await ask(policy, { roles: ['viewer', 'admin'] }, { method: 'DELETE', path: '/api/v1/agents/123' })
  expect(allowed.clientHeaders).toEqual({
    'x-rbac-user-id': 'u-1',
    'x-rbac-roles': 'admin,viewer',
    'x-rbac-role-level': '1',
  })
})

test('AZ-3 a caller without a known role is denied', async () => {
  const policy = policyOf({ rbac: { permission: 'agents:read', resource: 'agents', action: 'read' } })
  expect((await ask(policy, { roles: ['superuser'] })).slug).toBe('permission-denied')
})

test.each([
  [['a:read'], { all: ['a:read'], anyOf: [] }, 'pass'],
  [['a:*'], { all: ['a:read', 'a:write'], anyOf: [] }, 'pass'],
  [['a:read'], { all: ['a:read', 'a:write'], anyOf: [] }, 'permission-denied'],
  [['ab:read'], { all: ['a:read'], anyOf: [] }, 'permission-denied'],
  [['marketing:read'], { all: [], anyOf: ['marketing:*'] }, 'pass'],
  [['sales:read'], { all: [], anyOf: ['marketing:*'] }, 'permission-denied'],
  [[], { all: [], anyOf: ['marketing:*', 'sales:*'] }, 'permission-denied'],
])('ID-16 scopes %j against %j: %s', async (scopes, wanted, slug) => {
  expect((await ask(policyOf({ scopes: wanted }), { scopes })).slug).toBe(slug)
})

test('TR-3 an expired trial is 403 with its end and the way to upgrade', async () => {
  const answer = await ask(policyOf({}), { trial_mode: true, trial_expires_at: '2026-01-31T00:00:00Z' })
  expect(answer).toMatchObject({
    status: 403,
    slug: 'trial-expired',
    problem: { trial_expires_at: '2026-01-31T00:00:00.000Z', upgrade_url: 'https://example.com/upgrade' },
  })
})

test('TR-3 a trial that ends while its token is cached is refused from that moment', async () => {
  const end = Math.floor(Date.now() / 1000) + 100
  const token = await issuer.sign({ trial_mode: true, trial_expires_at: end, user_id: 'u-trial' })
  expect((await ask(policyOf({}), { token })).slug).toBe('pass')
  bench.clock.offset = 99_000 - (Date.now() % 1000)
  expect((await ask(policyOf({}), { token })).slug).toBe('pass')
  bench.clock.offset = 101_000
  expect((await ask(policyOf({}), { token })).slug).toBe('trial-expired')
  bench.clock.offset = 0
})

test('ID-8 a cached token is refused once it has expired', async () => {
  const token = await issuer.sign({ user_id: 'u-exp' })
  expect((await ask(policyOf({}), { token })).slug).toBe('pass')
  bench.clock.offset = 306_000
  expect((await ask(policyOf({}), { token })).slug).toBe('token-expired')
  bench.clock.offset = 0
})

test('AZ-4 on a split route trial users get the sandbox, others production; the client is told', async () => {
  const policy = policyOf({ split: true })
  const trial = await ask(policy, { trial_mode: true })
  expect(trial.headers['x-sallyport-target']).toBe('sandbox')
  expect(trial.clientHeaders['x-target-backend']).toBe('sandbox')
  expect((await ask(policy, { trial_mode: false })).headers['x-sallyport-target']).toBe('production')
  expect((await ask(policyOf({}), { trial_mode: true })).headers).not.toHaveProperty('x-sallyport-target')
})

test.each([
  [[['10.0.0.0/8']], '10.1.2.3', 'pass'],
  [[['10.0.0.0/8']], '192.0.2.1', 'permission-denied'],
  [[['10.0.0.0/8'], ['10.1.0.0/16']], '10.2.0.1', 'permission-denied'],
  [[['192.0.2.0/24', '2001:db8::/32']], '2001:db8::7', 'pass'],
  [[['10.0.0.0/8']], '::ffff:10.0.0.1', 'pass'],
  [[['10.0.0.0/8']], 'not an address', 'permission-denied'],
])('ID-13 addresses %j, client %s: %s', async (addresses, client, slug) => {
  expect((await ask(policyOf({ addresses }), {}, { headers: [['x-envoy-external-address', client]] })).slug).toBe(slug)
})

test('ID-13 a token used from an allowed address is refused from another, though it is remembered', async () => {
  const policy = policyOf({ addresses: [['10.0.0.0/8']] })
  const token = await issuer.sign({ user_id: 'u-roaming' })
  const from = (address: string) => ask(policy, { token }, { headers: [['x-envoy-external-address', address]] })
  expect((await from('10.0.0.1')).slug).toBe('pass')
  expect((await from('192.0.2.1')).slug).toBe('permission-denied')
  expect((await from('10.0.0.1')).slug).toBe('pass')
})

const complete = JSON.stringify(routePolicy())

test.each([
  ['no policy', undefined],
  ['a cut policy', complete.slice(0, -10)],
  ['a policy of another version', complete.replace('"v":1', '"v":2')],
  ['a policy without identity', JSON.stringify({ ...routePolicy(), identity: undefined })],
  ['a policy with no issuer', JSON.stringify(routePolicy({ identity: { kind: 'jwt', issuers: [] } }))],
  ['a policy with an unknown permission', JSON.stringify({ ...routePolicy(), rbac: { permission: 'agents:fly' } })],
  ['a policy of another path', JSON.stringify(routePolicy({ path: '/other' }))],
])('design.md §1.2 %s is 503 and an alarm, also for a good token', async (_name, policy) => {
  const alarms = async () =>
    Number((await bench.registry.getSingleMetric('ext_authz_without_policy_total')?.get())?.values[0]?.value)
  const before = await alarms()
  const answer = await ask(policy)
  expect(answer).toMatchObject({ status: 503, slug: 'service-unavailable' })
  expect(answer.headers['retry-after']).toBe('1')
  expect(await alarms()).toBe(before + 1)
})

test('ID-6 an open route passes without a token and hands on no identity, also when a token comes with it', async () => {
  const answer = await ask(routePolicy())
  expect(answer.slug).toBe('pass')
  expect(answer.headers).toEqual({})
  expect(answer.removed).toContain('x-user-id')
})

test('RT-7 a refusal is a problem document with type, title, status, detail, instance and correlation id', async () => {
  const answer = await bench.ask(checkRequest({ policy: policyOf({}) }))
  expect(answer.headers['content-type']).toBe('application/problem+json')
  expect(answer.problem).toEqual({
    type: 'https://waooaw.com/errors/unauthorized',
    title: 'Unauthorized',
    status: 401,
    detail: 'This route needs a bearer token.',
    instance: 'urn:uuid:11111111-2222-4333-8444-555555555555',
    correlation_id: 'correlation-1',
  })
})

test('design.md §4 one token is verified once, however many requests carry it at the same time', async () => {
  const memo = new Memo()
  let verifications = 0
  const verify = async (): Promise<Verified> => {
    verifications += 1
    return outage('not the point')
  }
  await Promise.all(Array.from({ length: 50 }, () => memo.once('key', verify)))
  expect(verifications).toBe(1)
  await memo.once('key', verify)
  expect(verifications).toBe(2)
})
