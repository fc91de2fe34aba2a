import { createHmac } from 'node:crypto'
import { exportSPKI } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { IssuerPolicy } from '../../../policies/policy.ts'
import { checkBench } from '../../support/check-bench.ts'
import { checkRequest, routePolicy } from '../../support/check-request.ts'
import { CONTRACT_CLAIMS, forge, TokenIssuer } from '../../support/token-issuer.ts'

let issuer: TokenIssuer
const bench = checkBench()

beforeAll(async () => {
  issuer = await TokenIssuer.open()
})
afterAll(async () => {
  await bench.close()
  await issuer.close()
})

function ask(authorization: string | undefined, overrides: Partial<IssuerPolicy> = {}) {
  const policy = routePolicy({ identity: { kind: 'jwt', issuers: [issuer.policy(overrides)] } })
  return bench.ask(
    checkRequest({ policy, headers: authorization === undefined ? [] : [['authorization', authorization]] }),
  )
}
const askToken = async (token: string | Promise<string>, overrides?: Partial<IssuerPolicy>) =>
  ask(`Bearer ${await token}`, overrides)
const seconds = () => Math.floor(Date.now() / 1000)

test('ID-1 ID-7 a good token passes and its identity goes to the upstream', async () => {
  const answer = await askToken(
    issuer.sign({ trial_mode: true, jti: 't-1', roles: ['viewer', 'developer', 'offline_access'] }),
  )
  expect(answer.slug).toBe('pass')
  expect(answer.headers).toEqual({
    'x-user-id': 'u-1',
    'x-customer-id': 'c-1',
    'x-user-email': 'u1@example.com',
    'x-user-roles': 'developer,viewer',
    'x-trial-mode': 'true',
    'x-gateway-token-id': 't-1',
  })
  expect(answer.removed).toEqual(['x-gateway-project', 'x-gateway-service'])
})

test('ID-2 an empty customer_id is a platform administrator: accepted, and no header is made of it', async () => {
  const answer = await askToken(issuer.sign({ customer_id: '' }))
  expect(answer.slug).toBe('pass')
  expect(answer.headers).not.toHaveProperty('x-customer-id')
  expect(answer.removed).toContain('x-customer-id')
})

test('ID-5 no header: 401 unauthorized with a bare challenge', async () => {
  const answer = await ask(undefined)
  expect(answer).toMatchObject({ status: 401, slug: 'unauthorized' })
  expect(answer.headers['www-authenticate']).toBe('Bearer realm="sallyport"')
})

test.each(['', 'Basic YTpi', 'Bearer', 'Bearer ', 'Bearer a b', 'token', 'Bearer a,Bearer b'])(
  'ID-5 %j is 401 invalid-token-format',
  async (header) => {
    const answer = await ask(header)
    expect(answer).toMatchObject({ status: 401, slug: 'invalid-token-format' })
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="sallyport", error="invalid_request"/)
  },
)

test('ID-5 an expired token is 401 token-expired; within the clock tolerance it still passes', async () => {
  expect(await askToken(issuer.sign({ exp: seconds() - 6 }))).toMatchObject({ status: 401, slug: 'token-expired' })
  expect((await askToken(issuer.sign({ exp: seconds() - 1 }))).slug).toBe('pass')
})

const hmac = (secret: string | Uint8Array, header: object, payload: object) => {
  const unsigned = forge(header, payload, '').slice(0, -1)
  return `${unsigned}.${createHmac('sha256', secret).update(unsigned).digest('base64url')}`
}
const claims = () => ({ ...CONTRACT_CLAIMS, iss: 'https://issuer.test', iat: seconds(), exp: seconds() + 60 })

test.each(['none', 'None', 'NONE', 'nOnE', ''])('ID-1 alg %j never passes', async (alg) => {
  for (const signature of ['', 'c2ln']) {
    expect((await ask(`Bearer ${forge({ alg, kid: 'key-1' }, claims(), signature)}`)).slug).toBe('invalid-token')
  }
})

test('ID-1 HS256 with the public key as secret never passes, as PEM text or bytes', async () => {
  const key = issuer.keys[0]
  if (key === undefined) throw new Error('no key')
  const pem = await exportSPKI(key.publicKey)
  for (const secret of [pem, pem.trim(), Buffer.from(pem), '']) {
    expect((await askToken(hmac(secret || 'x', { alg: 'HS256', kid: 'key-1' }, claims()))).slug).toBe('invalid-token')
  }
})

test('ID-1 an algorithm the issuer does not list is refused, also with a key of the issuer', async () => {
  const [rsa] = issuer.keys
  const elliptic = await issuer.addKey('key-ec', 'ES256')
  expect((await askToken(issuer.sign({}, {}, elliptic), { algorithms: ['ES256'] })).slug).toBe('pass')
  expect((await askToken(issuer.sign({}, {}, rsa), { algorithms: ['ES256'] })).slug).toBe('invalid-token')
  issuer.keys.pop()
})

test.each([
  ['wrong issuer', { iss: 'https://evil.test' }],
  ['issuer as a list', { iss: ['https://issuer.test'] as unknown as string }],
  ['not yet valid', { nbf: seconds() + 60 }],
  ['issued in the future', { iat: seconds() + 600 }],
  ['exp as text', { exp: '9999999999' as unknown as number }],
  ['exp as a fraction', { exp: seconds() + 60.5 }],
  ['iat missing', { iat: undefined }],
  ['life longer than allowed', { exp: seconds() + 90_000 }],
])('ID-5 %s is 401 invalid-token', async (_name, change) => {
  expect(await askToken(issuer.sign(change as never))).toMatchObject({ status: 401, slug: 'invalid-token' })
})

test('ID-5 exp 1e400, which JSON reads as infinity, never passes', async () => {
  const good = (await issuer.sign()).split('.')
  const payload = JSON.stringify(claims()).replace(/"exp":\d+/, '"exp":1e400')
  expect((await askToken(`${good[0]}.${Buffer.from(payload).toString('base64url')}.${good[2]}`)).slug).toBe(
    'invalid-token',
  )
})

test('ID-3 the audience is checked where the issuer says one', async () => {
  const audience = ['https://api.test']
  expect((await askToken(issuer.sign({ aud: 'https://other.test' }), { audience })).slug).toBe('invalid-token')
  expect((await askToken(issuer.sign({ aud: undefined }), { audience })).slug).toBe('invalid-token')
  expect((await askToken(issuer.sign({ aud: ['x', 'https://api.test'] }), { audience })).slug).toBe('pass')
})

test.each(['user_id', 'email', 'customer_id', 'roles', 'sub', 'exp', 'iat'])(
  'ID-2 a token without %s is 401 and the answer names the claim',
  async (claim) => {
    const answer = await askToken(issuer.sign({ [claim]: undefined }))
    expect(answer).toMatchObject({ status: 401, slug: 'invalid-token', problem: { claim } })
    expect(answer.problem['detail']).toContain(claim)
  },
)

test.each([
  ['user_id', 7], ['user_id', ''], ['user_id', 'a,b'], ['user_id', 'a\r\nx-role: admin'], ['user_id', 'a b'], ['user_id', 'ü'], ['user_id', null], ['user_id', ['u']], ['user_id', 'x'.repeat(257)],
  ['email', {}], ['customer_id', false], ['roles', 7], ['roles', [7]], ['roles', { admin: true }], ['roles', Array.from({ length: 65 }, () => 'viewer')],
  ['sub', 'a\nb'], ['trial_mode', 'yes'], ['trial_expires_at', 'tomorrow'], ['scopes', 9], ['jti', 'a b'], ['tier', {}],
])('ID-2 the mistyped claim %s = %j is 401 and the answer names the claim', async (claim, value) => {
  const answer = await askToken(issuer.sign({ [claim]: value }))
  expect(answer).toMatchObject({ status: 401, slug: 'invalid-token', problem: { claim } })
}) // biome-ignore format: a table

test('ID-2 the second token shape and Keycloak’s give the same identity headers as the first', async () => {
  const second = { user_id: 'sub', email: 'email', customer_id: null, roles: 'role', tier: 'tier', scopes: 'scopes' }
  const keycloak = {
    user_id: 'sub',
    email: 'email',
    customer_id: 'customer_id',
    roles: 'realm_access.roles',
    tier: 'tier',
    scopes: 'scope',
  }
  const first = await askToken(issuer.sign({ user_id: 'u-9', customer_id: '', roles: ['manager'] }))
  const bare = { user_id: undefined, customer_id: undefined, roles: undefined, sub: 'u-9' }
  const ai = await askToken(issuer.sign({ ...bare, role: 'manager' }), { claims: second })
  const kc = await askToken(
    issuer.sign({ ...bare, customer_id: '', realm_access: { roles: ['manager', 'uma_authorization'] } }),
    { claims: keycloak },
  )
  expect(first.slug).toBe('pass')
  expect(ai.headers).toEqual(first.headers)
  expect(kc.headers).toEqual(first.headers)
})

test('facts/threats.md §0.11 roles that name object members grant nothing', async () => {
  const answer = await askToken(issuer.sign({ roles: ['__proto__', 'constructor', 'toString'] }))
  expect(answer.headers).not.toHaveProperty('x-user-roles')
})

test('facts/threats.md §0.8 spaces, padding and other alphabets inside a token are refused before decoding', async () => {
  const [header, payload, signature] = (await issuer.sign()).split('.')
  for (const token of [
    `${header}=.${payload}.${signature}`,
    `${header}.${payload}.${signature}=`,
    `${header}.${payload}.${signature}.x`,
    `${header}.${payload}`,
    `${header}+.${payload}.${signature}`,
  ]) {
    expect((await ask(`Bearer ${token}`)).slug).toBe('invalid-token')
  }
})

test('design.md §4 a token over 8 KiB is refused', async () => {
  expect((await askToken(issuer.sign({ padding: 'x'.repeat(9000) }))).slug).toBe('invalid-token')
})

test.each([
  ['unknown crit', { crit: ['exp'], exp: 1 }], ['kid as a path', { kid: '../../dev/null' }], ['empty kid', { kid: '' }], ['kid as an object member', { kid: '__proto__' }], ['long kid', { kid: 'k'.repeat(300) }],
  ['kid that is no string', { kid: 7 }], ['an ID of another type', { typ: 'dpop+jwt' }],
])('facts/threats.md 1d %s is 401', async (_name, header) => {
  const good = (await issuer.sign()).split('.')
  const token = `${Buffer.from(JSON.stringify({ alg: 'RS256', kid: 'key-1', ...header })).toString('base64url')}.${good[1]}.${good[2]}`
  expect((await askToken(token)).slug).toBe('invalid-token')
}) // biome-ignore format: a table

test.each([
  ['b64 without crit', { b64: false }], ['a compressed payload', { zip: 'DEF' }], ['another type', { typ: 'dpop+jwt' }], ['a type that is no string', { typ: 7 }],
  ['kid of nobody', { kid: 'key-2' }], ['empty kid', { kid: '' }], ['kid that is no string', { kid: 7 }],
])('facts/threats.md 1d %s is 401 although the signature is right', async (_name, header) => {
  expect((await askToken(issuer.sign({}, header))).slug).toBe('invalid-token')
}) // biome-ignore format: a table

test('facts/threats.md §0.8 a token has one spelling: unused bits at the end of a part are refused', async () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const good = await issuer.sign()
  // 256 bytes of signature: the last of 342 characters carries two bits, and four that are unused.
  const last = alphabet.indexOf(good.slice(-1))
  const spellings = Array.from({ length: 16 }, (_, unused) => good.slice(0, -1) + alphabet[(last & 0b110000) | unused])
  const slugs = await Promise.all(spellings.map(async (token) => (await askToken(token)).slug))
  expect(spellings[0]).toBe(good)
  expect(slugs).toEqual(['pass', ...Array.from({ length: 15 }, () => 'invalid-token')])
})

test('facts/threats.md 1d a key inside the token (jwk, jku, x5u) is never used or fetched', async () => {
  const stranger = await TokenIssuer.open()
  const header = { jku: stranger.url, x5u: stranger.url, kid: 'key-1' }
  expect((await askToken(stranger.sign({}, header))).slug).toBe('invalid-token')
  expect(stranger.fetches).toBe(0)
  await stranger.close()
})

test('facts/threats.md §0.9 deeply nested claims are 401, not a crash', async () => {
  const deep = `${'['.repeat(2000)}${']'.repeat(2000)}`
  expect(
    (await ask(`Bearer ${forge({ alg: 'RS256', kid: 'key-1' }, `{"iss":"https://issuer.test","x":${deep}}`)}`)).slug,
  ).toBe('invalid-token')
})

test('ID-1 a changed payload or signature is 401', async () => {
  const [header, payload, signature] = (await issuer.sign()).split('.')
  const other = (await issuer.sign({ user_id: 'u-2' })).split('.')
  expect((await askToken(`${header}.${other[1]}.${signature}`)).slug).toBe('invalid-token')
  expect((await askToken(`${header}.${payload}.${other[2]}`)).slug).toBe('invalid-token')
})
