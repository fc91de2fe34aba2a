import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RoutePolicy } from '../../policies/policy.ts'
import { routePolicy } from '../support/check-request.ts'
import { type Asked, asked, benchOfTest } from '../support/recorded.ts'
import { forge, TokenIssuer } from '../support/token-issuer.ts'

let issuer: TokenIssuer
beforeAll(async () => {
  issuer = await TokenIssuer.open()
})
afterAll(() => issuer.close())

const secured = (overrides: Partial<RoutePolicy> = {}) =>
  routePolicy({ identity: { kind: 'jwt', issuers: [issuer.policy()] }, ...overrides })

interface Refusal {
  readonly request?: Asked
  readonly policy?: (() => RoutePolicy | string | undefined) | undefined
  readonly token?: () => string | Promise<string>
  readonly stage: string
  readonly slug: string
  readonly facts: Record<string, unknown>
  readonly remedy: string
}

const at = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

const REFUSALS: Readonly<Record<string, Refusal>> = {
  'a path with an escaped slash': {
    request: { path: '/agents%2f' },
    stage: 'read',
    slug: 'bad-request',
    facts: { escape: '%2f' },
    remedy: 'leave the escape out',
  },
  'a header sent twice': {
    request: {
      headers: [
        ['content-type', 'a/b'],
        ['content-type', 'c/d'],
      ],
    },
    stage: 'read',
    slug: 'bad-request',
    facts: { header: 'content-type' },
    remedy: 'send content-type once',
  },
  'a method of WebDAV': {
    request: { method: 'PROPFIND' },
    stage: 'read',
    slug: 'method-not-allowed',
    facts: { method: 'PROPFIND' },
    remedy: 'use one of GET, HEAD',
  },
  'no policy': {
    policy: () => undefined,
    stage: 'policy',
    slug: 'service-unavailable',
    facts: { carried: false, complete: false },
    remedy: 'bring xds-server and ext-authz to the same version',
  },
  'a policy without audit settings': {
    policy: () => JSON.stringify({ ...routePolicy(), audit: undefined }),
    stage: 'policy',
    slug: 'service-unavailable',
    facts: { carried: true, complete: false },
    remedy: 'bring xds-server and ext-authz to the same version',
  },
  'the policy of another path': {
    policy: () => secured({ path: '/other' }),
    stage: 'policy',
    slug: 'service-unavailable',
    facts: { carried: true, complete: true, path: '/other' },
    remedy: 'bring xds-server and ext-authz to the same version',
  },
  'a strange address': {
    request: { headers: [['x-envoy-external-address', '203.0.113.9']] },
    policy: () => secured({ addresses: [['203.0.113.0/24'], ['10.0.0.0/8']] }),
    stage: 'address',
    slug: 'permission-denied',
    facts: { address: '203.0.113.9', missing: [['10.0.0.0/8']] },
    remedy: 'add 203.0.113.9/32 to addresses',
  },
  'no address at all': {
    request: { headers: [['x-envoy-external-address', 'unknown']] },
    policy: () => secured({ addresses: [['10.0.0.0/8']] }),
    stage: 'address',
    slug: 'permission-denied',
    facts: { address: 'unknown' },
    remedy: 'check trustedHops',
  },
  'no token': {
    stage: 'identify',
    slug: 'unauthorized',
    facts: { authorization: 'absent' },
    remedy: 'send Authorization: Bearer',
  },
  'no JWT': {
    token: () => 'a.b',
    stage: 'identify',
    slug: 'invalid-token',
    facts: { characters: 10 },
    remedy: 'three base64url parts',
  },
  'a token of a strange issuer': {
    token: () => forge({ alg: 'RS256', kid: 'k' }, { iss: 'https://evil.test', aud: ['a', {}], exp: 1 }),
    stage: 'identify',
    slug: 'invalid-token',
    facts: {
      claimed: { issuer: 'https://evil.test', kid: 'k', audience: ['a', 'an object'], expires_at: 1 },
      accepted: ['https://issuer.test'],
    },
    remedy: 'the issuer is not one of: https://issuer.test',
  },
  'a token of an unknown key': {
    token: () => issuer.sign({}, { kid: 'key-9' }),
    stage: 'identify',
    slug: 'invalid-token',
    facts: { claimed: { kid: 'key-9' }, issuer_name: 'test' },
    remedy: 'no key for a token with kid key-9',
  },
  'an expired token': {
    token: () => issuer.sign({ iat: at(-400), exp: at(-35) }),
    stage: 'identify',
    slug: 'token-expired',
    facts: { claimed: { issuer: 'https://issuer.test' } },
    remedy: 'the token expired 3',
  },
  'a token for another audience': {
    policy: () => secured({ identity: { kind: 'jwt', issuers: [issuer.policy({ audience: ['gateway'] })] } }),
    token: () => issuer.sign({ aud: 'elsewhere' }),
    stage: 'identify',
    slug: 'invalid-token',
    facts: { claimed: { audience: 'elsewhere' }, claim: 'aud', accepted: ['gateway'] },
    remedy: 'the audience is not one of: gateway',
  },
  'a token with a mistyped claim': {
    token: () => issuer.sign({ roles: 7 }),
    stage: 'identify',
    slug: 'invalid-token',
    facts: { claim: 'roles' },
    remedy: 'have test issue other tokens',
  },
  'a token with a signature of nobody': {
    token: async () => `${(await issuer.sign()).split('.').slice(0, 2).join('.')}.${'A'.repeat(342)}`,
    stage: 'identify',
    slug: 'invalid-token',
    facts: { rule: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' },
    remedy: 'the signature does not fit',
  },
  'a trial that has ended': {
    token: () => issuer.sign({ trial_mode: true, trial_expires_at: '2026-01-31T00:00:00Z' }),
    stage: 'trial',
    slug: 'trial-expired',
    facts: { trial: true, ends: '2026-01-31T00:00:00.000Z' },
    remedy: 'extend trial_expires_at',
  },
  'a missing scope': {
    policy: () => secured({ scopes: { all: ['a:write'], anyOf: ['a:*', 'b:*'] } }),
    token: () => issuer.sign({ scopes: ['c:read'] }),
    stage: 'scopes',
    slug: 'permission-denied',
    facts: { held: ['c:read'], all: ['a:write'], any_of: ['a:*', 'b:*'] },
    remedy: 'get a token with the scope a:write and one of a:*, b:*',
  },
  'a missing permission': {
    policy: () => secured({ rbac: { permission: 'agents:delete', resource: 'agents', action: 'delete' } }),
    token: () => issuer.sign({ roles: ['viewer'] }),
    stage: 'rbac',
    slug: 'permission-denied',
    facts: { permission: 'agents:delete', roles: ['viewer'] },
    remedy: 'give the caller a role that holds agents:delete: admin',
  },
}

test.each(Object.entries(REFUSALS))(
  'AU-1 OB-8 %s: one record with the stage that refused, its facts and a remedy, which the client does not see',
  async (_name, refusal) => {
    const { request = {}, policy = () => secured(), token } = refusal
    const carried = policy()
    const asks = { ...request, ...(carried === undefined ? {} : { policy: carried }) }
    const { answer, record, last } = await asked(benchOfTest(), asks, await token?.())
    expect(answer.slug).toBe(refusal.slug)
    expect(record).toMatchObject({ verdict: 'deny', problem: refusal.slug, status: answer.status })
    expect(record.detail).toBe(answer.problem['detail'])
    expect(last).toMatchObject({ stage: refusal.stage, verdict: 'deny', facts: refusal.facts })
    expect(last?.remedy).toContain(refusal.remedy)
    expect(record.stages.slice(0, -1).map(({ verdict }) => verdict)).not.toContain('deny')
    expect(answer.text).not.toContain(last?.remedy)
    expect(answer.text).not.toMatch(/remedy|facts|test\.ts|policy_version|jwks|claimed/)
  },
)

test('AU-1 an issuer that is down: 503, recorded with what to do', async () => {
  const down = await TokenIssuer.open()
  const token = await down.sign()
  await down.close()
  const policy = secured({ identity: { kind: 'jwt', issuers: [down.policy()] } })
  const { answer, last } = await asked(benchOfTest(), { policy }, token)
  expect(answer.slug).toBe('service-unavailable')
  expect(last).toMatchObject({
    stage: 'identify',
    facts: { jwks: down.url },
    remedy: expect.stringContaining(down.url),
  })
})

test('AU-1 a fault of ours is a 500 that leaves its record too, without the words of the exception', async () => {
  const on = benchOfTest()
  const keys = on.keys
  keys.of = () => {
    throw new RangeError('canary-5up3r')
  }
  const { answer, record, last } = await asked(on, { policy: secured() }, await issuer.sign())
  expect(answer.slug).toBe('internal-server-error')
  expect(last).toMatchObject({ stage: 'fault', facts: { exception: 'RangeError' } })
  expect(JSON.stringify(record)).not.toContain('canary')
})
