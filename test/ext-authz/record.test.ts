import { createHash } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { policyText, type RoutePolicy } from '../../policies/policy.ts'
import { checkRequest, routePolicy } from '../support/check-request.ts'
import { type Asked, asked, benchOfTest } from '../support/recorded.ts'
import { forge, TokenIssuer } from '../support/token-issuer.ts'

let issuer: TokenIssuer
beforeAll(async () => {
  issuer = await TokenIssuer.open()
})
afterAll(() => issuer.close())

const secured = (overrides: Partial<RoutePolicy> = {}) =>
  routePolicy({ identity: { kind: 'jwt', issuers: [issuer.policy()] }, ...overrides })

test('AU-1 a pass leaves one record with who, what, why and where to', async () => {
  const policy = secured({
    path: '/api/v1/agents/{id}',
    addresses: [['192.0.2.0/24', '10.0.0.0/8']],
    rbac: { permission: 'agents:read', resource: 'agents', action: 'read', idSegment: 3 },
    scopes: { all: ['a:read'], anyOf: [] },
    split: true,
    sources: { identity: 'p.ts:1', addresses: 'p.ts:2', rbac: 'p.ts:3', scopes: 'p.ts:4', target: 'p.ts:5' },
  })
  const token = await issuer.sign({ scopes: ['a:*'], roles: ['viewer'], jti: 'j-1' })
  const { record, names } = await asked(benchOfTest(), { policy, path: '/api/v1/agents/42?secret=x' }, token)
  expect(record).toMatchObject({
    v: 1,
    at: 1_763_721_000_123_456,
    request_id: '11111111-2222-4333-8444-555555555555',
    correlation_id: 'correlation-1',
    gateway: 'test',
    gateway_type: 'CP',
    route: 'agents',
    source: 'test.ts:1',
    method: 'GET',
    path: '/api/v1/agents/42',
    authority: 'api.example.com',
    client_address: '192.0.2.7',
    headers: { authorization: '***REDACTED***' },
    identity: { user_id: 'u-1', customer_id: 'c-1', email: 'u1@example.com', roles: ['viewer'], scopes: ['a:*'] },
    action: 'read',
    resource: 'agents',
    resource_id: '42',
    verdict: 'pass',
    target: 'production',
  })
  expect(record.identity).toMatchObject({ trial: false, issuer: 'https://issuer.test', token_id: 'j-1' })
  expect(record).not.toHaveProperty('query')
  expect(record).not.toHaveProperty('status')
  expect(Math.abs(record.decided_at / 1000 - Date.now())).toBeLessThan(60_000)
  expect(record.latency_us.total).toBeGreaterThanOrEqual(record.latency_us.identify ?? Number.NaN)
  expect(names).toEqual([
    'read pass',
    'policy pass',
    'address pass',
    'identify pass',
    'trial pass',
    'scopes pass',
    'rbac pass',
    'target pass',
  ])
  expect(record.stages).toMatchObject([
    {},
    { facts: { path: '/api/v1/agents/{id}' } },
    { facts: { address: '192.0.2.7', matches: ['192.0.2.0/24'] }, source: 'p.ts:2' },
    { facts: { issuer: 'https://issuer.test', kid: 'key-1', algorithm: 'RS256', remembered: false }, source: 'p.ts:1' },
    { facts: { trial: false } },
    { facts: { held: ['a:*'], all: ['a:read'], any_of: [] }, source: 'p.ts:4' },
    { facts: { permission: 'agents:read', roles: ['viewer'] }, source: 'p.ts:3' },
    { facts: { target: 'production', because: 'the caller is not on trial' }, source: 'p.ts:5' },
  ])
})

test('OB-8 what a route does not ask for is skipped, and an open route says why it is open', async () => {
  const { names, record } = await asked(benchOfTest(), { policy: routePolicy() })
  expect(names).toEqual(['read pass', 'policy pass', 'address skip', 'identify skip'])
  expect(record.stages.at(-1)?.facts).toEqual({ open: 'a test of what comes before identity' })
  expect(record).not.toHaveProperty('identity')
})

test('OB-8 a remembered token leaves the same record as one verified anew, but for `remembered` and times', async () => {
  const on = benchOfTest()
  const policy = secured({ split: true, rbac: { permission: 'agents:read', resource: 'agents', action: 'read' } })
  const token = await issuer.sign({ trial_mode: true, trial_expires_at: '2099-01-01T00:00:00Z' })
  const fresh = await asked(on, { policy }, token)
  const remembered = await asked(on, { policy }, token)
  const plain = ({ record: { event, decided_at, latency_us, ...rest } }: typeof fresh) =>
    JSON.stringify(rest).replace('"remembered":true', '"remembered":false')
  expect(JSON.stringify(remembered.record)).toContain('"remembered":true')
  expect(plain(remembered)).toBe(plain(fresh))
  expect(fresh.record.latency_us).toHaveProperty('identify')
  expect(remembered.record.latency_us).not.toHaveProperty('identify')
})

test('OB-8 two routes with the same token keep their own stages and targets', async () => {
  const on = benchOfTest()
  const token = await issuer.sign({ trial_mode: true, trial_expires_at: '2099-01-01T00:00:00Z' })
  const split = secured({ split: true, route: 'split' })
  const plain = secured({ route: 'plain' })
  for (let round = 0; round < 2; round++) {
    expect((await asked(on, { policy: split }, token)).record).toMatchObject({ route: 'split', target: 'sandbox' })
    const { record, names } = await asked(on, { policy: plain }, token)
    expect(record).not.toHaveProperty('target')
    expect(names.at(-1)).toBe('target skip')
  }
})

test('AU-6 nothing of a token, cookie, unlisted header, parameter or masked member is recorded', async () => {
  const canary = 'canary5up3rs3cr3t'
  const on = benchOfTest()
  const policy = secured({
    audit: {
      onFailure: 'deny',
      query: ['page'],
      headers: ['x-tenant', 'x-session-token'],
      body: { maxBytes: 4096, mask: ['nickname'] },
    },
  })
  const request: Asked = {
    policy,
    method: 'POST',
    path: `/agents?page=3&${canary}=1&other=${canary}`,
    headers: [
      ['cookie', `sid=${canary}`],
      ['x-api-key', canary],
      ['x-other', canary],
      ['x-session-token', canary],
      ['x-tenant', 'blue'],
      ['referer', `https://x.example/?${canary}`],
    ],
    body: JSON.stringify({ name: 'ok', nickName: canary, nested: [{ password: canary }] }),
  }
  const good = await issuer.sign({ custom: canary })
  const bad = forge({ alg: 'RS256', kid: 'key-1' }, { iss: 'https://issuer.test', custom: canary }, canary)
  for (const token of [good, good, bad, `${canary}.x`]) {
    const { record } = await asked(on, request, token)
    const text = JSON.stringify(record)
    expect(text).not.toContain(canary)
    for (const part of token.split('.').filter((piece) => piece.length > 8)) expect(text).not.toContain(part)
    expect(record.query).toEqual({ page: '3' })
    expect(record.headers).toMatchObject({
      authorization: '***REDACTED***',
      cookie: '***REDACTED***',
      'x-api-key': '***REDACTED***',
      'x-session-token': '***REDACTED***',
      'x-tenant': 'blue',
      referer: 'https://x.example/',
    })
    expect(record.body).toMatchObject({ json: { name: 'ok', nickName: '***REDACTED***' }, truncated: false })
  }
})

test('AU-6 a body is not recorded where the route does not ask, even if it came', async () => {
  const { record } = await asked(benchOfTest(), { policy: routePolicy(), method: 'POST', body: '{"a":1}' })
  expect(record).not.toHaveProperty('body')
})

test('AU-1 the mark is the only difference to an answer without one, on passes and refusals, remembered or not', async () => {
  const on = benchOfTest()
  const token = await issuer.sign()
  const first = await asked(on, { policy: secured() }, token)
  const second = await asked(on, { policy: secured() }, token)
  const { mark: _first, text: _text, ...one } = first.answer
  const { mark: _second, text: _more, ...two } = second.answer
  expect(one).toEqual(two)
  expect(one.headers['x-user-id']).toBe('u-1')
  const denied = await asked(on, { policy: secured() })
  expect(denied.answer.problem['status']).toBe(401)
  expect(denied.record.event).toMatch(/^test-node\.0123456789ab\.\d+$/)
})

test('AU-2 the policy version is the beginning of the hash of the policy’s text', async () => {
  const text = policyText(routePolicy({ route: 'other' }))
  const { record } = await asked(benchOfTest(), { policy: text })
  expect(record.policy_version).toBe(createHash('sha256').update(text).digest('base64url').slice(0, 12))
})

test('the ids of a request are recorded, the client’s own as causation', async () => {
  const headers = [
    ['x-causation-id', ''],
    ['x-causation-id', 'mine-7'],
  ] as const
  const { record } = await asked(benchOfTest(), { policy: routePolicy(), headers })
  expect(record.causation_id).toBe('mine-7')
})

test('whatever bytes arrive, the record is valid JSON text and valid UTF-8', async () => {
  const on = benchOfTest()
  const odd = '\u0000\u0001"\\\u007f\u00ff\u00c3'
  const request = checkRequest({
    policy: routePolicy(),
    path: `/agents\ud800${odd}`,
    host: `h\udfff${odd}`,
    method: `G\ud83d${odd}`,
    headers: [
      ['user-agent', odd],
      ['x-correlation-id', odd],
      ['x-causation-id', odd],
    ],
  })
  expect((await on.ask(request)).status).toBe(405)
  const [record] = await on.records()
  expect(record?.headers['user-agent']).toBe('\u0000\u0001"\\\u007f\\xff\\xc3')
  expect(record?.path).toContain('\ud800')
})

test('a path of 60 KiB is recorded by its beginning and its length', async () => {
  const { record } = await asked(benchOfTest(), { policy: routePolicy(), path: `/${'a'.repeat(60_000)}` })
  expect(record.path).toBe(`/${'a'.repeat(8191)}… (60001 characters)`)
})

test('OB-1 each stage has its latency histogram, OB-2 and at level debug each decision its line with the same ids', async () => {
  const lines: Record<string, unknown>[] = []
  const on = benchOfTest({
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  })
  const { record } = await asked(on, { policy: secured() }, await issuer.sign())
  const text = await on.registry.metrics()
  for (const stage of ['read', 'identify', 'admit', 'record']) {
    expect(text).toContain(`ext_authz_stage_seconds_count{stage="${stage}"} 1`)
  }
  expect(lines.filter(({ msg }) => msg === 'decided')).toMatchObject([
    { event: record.event, requestId: record.request_id, correlationId: record.correlation_id, verdict: 'pass' },
  ])
})
