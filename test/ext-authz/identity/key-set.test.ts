import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportPKCS8, importPKCS8 } from 'jose'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { fetchKeys } from '../../../ext-authz/identity/jwks-source.ts'
import { RefetchBucket } from '../../../ext-authz/identity/refetch-bucket.ts'
import { checkBench } from '../../support/check-bench.ts'
import { checkRequest, routePolicy } from '../../support/check-request.ts'
import { TokenIssuer } from '../../support/token-issuer.ts'

let issuer: TokenIssuer
let folder: string
const open: ReturnType<typeof checkBench>[] = []

beforeEach(async () => {
  issuer = await TokenIssuer.open()
  folder = mkdtempSync(join(tmpdir(), 'sallyport-keys-'))
})
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.close()
  await issuer.close()
  rmSync(folder, { recursive: true, force: true })
})

function bench() {
  const made = checkBench({ folder })
  open.push(made)
  return made
}

/** The file of the kept keys, once it is there. */
async function keptFile(): Promise<string> {
  const names = () => readdirSync(folder).filter((name) => name.endsWith('.json'))
  await vi.waitUntil(() => names().length === 1, 5000)
  return join(folder, names()[0] ?? '')
}

async function ask(on: ReturnType<typeof checkBench>, token: string) {
  const policy = routePolicy({ identity: { kind: 'jwt', issuers: [issuer.policy()] } })
  return (await on.ask(checkRequest({ policy, headers: [['authorization', `Bearer ${token}`]] }))).slug
}

test('ID-4 a new key is picked up by its unknown kid, with no false 401', async () => {
  const gateway = bench()
  expect(await ask(gateway, await issuer.sign())).toBe('pass')
  await issuer.addKey('key-2')
  const tokens = await Promise.all(Array.from({ length: 20 }, (_, n) => issuer.sign({ user_id: `u-${n}` })))
  const answers = await Promise.all(tokens.map((token) => ask(gateway, token)))
  expect(new Set(answers)).toEqual(new Set(['pass']))
  expect(issuer.fetches).toBe(2)
})

test('ID-4 ten thousand unknown kids cause at most five fetches, and known keys go on', async () => {
  const gateway = bench()
  const good = await issuer.sign()
  expect(await ask(gateway, good)).toBe('pass')
  const [, payload, signature] = good.split('.')
  for (let n = 0; n < 10_000; n++) {
    const header = Buffer.from(JSON.stringify({ alg: 'RS256', kid: `random-${n}` })).toString('base64url')
    expect(await ask(gateway, `${header}.${payload}.${signature}`)).toBe('invalid-token')
  }
  expect(issuer.fetches).toBeLessThanOrEqual(6)
  expect(await ask(gateway, await issuer.sign({ user_id: 'u-2' }))).toBe('pass')
})

test('ID-4 the issuer is down: tokens of known keys go on, new tokens too; unknown keys are 503', async () => {
  const gateway = bench()
  expect(await ask(gateway, await issuer.sign())).toBe('pass')
  await issuer.close()
  expect(await ask(gateway, await issuer.sign({ user_id: 'u-2' }))).toBe('pass')
  await issuer.addKey('key-2')
  expect(await ask(gateway, await issuer.sign())).toBe('service-unavailable')
})

test('design.md §8 keys older than 24 h are not believed while the issuer is down: 503, not 401', async () => {
  const gateway = bench()
  expect(await ask(gateway, await issuer.sign())).toBe('pass')
  await issuer.close()
  gateway.clock.offset = 24 * 3_600_000 + 1000
  const later = Math.floor(Date.now() / 1000) + 24 * 3600
  expect(await ask(gateway, await issuer.sign({ iat: later, exp: later + 600 }))).toBe('service-unavailable')
})

test('ID-4 an issuer that was never reached is 503, and works as soon as it answers', async () => {
  const gateway = bench()
  issuer.mode = 'broken'
  const token = await issuer.sign()
  expect(await ask(gateway, token)).toBe('service-unavailable')
  issuer.mode = 'good'
  gateway.clock.offset = 2000
  expect(await ask(gateway, token)).toBe('pass')
})

test('design.md §8 a worker that restarts while its issuer is down goes on with the last good keys', async () => {
  expect(await ask(bench(), await issuer.sign())).toBe('pass')
  await keptFile()
  await issuer.close()
  const restarted = bench()
  await restarted.keys.restore()
  expect(await ask(restarted, await issuer.sign())).toBe('pass')
})

test('design.md §8 kept keys of more than 24 h are removed, and an issuer that no policy names is not asked', async () => {
  expect(await ask(bench(), await issuer.sign())).toBe('pass')
  const file = await keptFile()
  const asked = issuer.fetches
  const restarted = bench()
  await restarted.keys.restore()
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(issuer.fetches).toBe(asked)
  restarted.clock.offset = 24 * 3_600_000 + 1000
  await restarted.keys.restore()
  expect(existsSync(file)).toBe(false)
})

test.each([
  ['half a file', '{"owner":'],
  ['null', 'null'],
  ['no keys', '{"owner":"x","fetchedAt":1,"keys":{"keys":[]}}'],
  ['a key that is none', '{"owner":"x","fetchedAt":1,"keys":{"keys":[null]}}'],
  ['a time that is none', '{"owner":"x","fetchedAt":"now","keys":{"keys":[{"kty":"RSA"}]}}'],
])('facts/threats.md §3 row 28 a kept file with %s costs nothing but itself', async (_name, text) => {
  expect(await ask(bench(), await issuer.sign())).toBe('pass')
  await keptFile()
  writeFileSync(join(folder, '0.json'), text)
  await issuer.close()
  const restarted = bench()
  await restarted.keys.restore()
  expect(await ask(restarted, await issuer.sign())).toBe('pass')
})

test('ID-4 a key set larger than the limit is refused whole and said, never cut: the newest key may be the last', async () => {
  const jwk = (kid: string) => ({ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid })
  const keys = (count: number) => ({
    body: JSON.stringify({ keys: Array.from({ length: count }, (_, n) => jwk(`k-${n}`)) }),
  })
  const policy = issuer.policy({ algorithms: ['ES256'] })
  issuer.mode = keys(128)
  await expect(fetchKeys(policy)).resolves.toMatchObject({ keys: { length: 128 } })
  issuer.mode = keys(129)
  await expect(fetchKeys(policy)).rejects.toThrow('129 keys')
})

test.each([3_600_000, -3_600_000])(
  'facts/threats.md §3 row 31 a clock step of %i ms costs no issuer its first answer',
  async (step) => {
    const gateway = bench()
    issuer.mode = 'broken'
    expect(await ask(gateway, await issuer.sign())).toBe('service-unavailable')
    issuer.mode = 'good'
    gateway.clock.offset = step
    const at = Math.floor((Date.now() + step) / 1000)
    expect(await ask(gateway, await issuer.sign({ iat: at, exp: at + 300 }))).toBe('pass')
  },
)

test('facts/threats.md §3 row 31 a clock set back does not stop the fetches for unknown key ids', () => {
  let now = 10_000_000
  const bucket = new RefetchBucket(() => now)
  for (let n = 0; n < 5; n++) expect(bucket.take()).toBe(true)
  now -= 3_600_000
  expect(bucket.take()).toBe(false)
  now += 30_000
  expect(bucket.take()).toBe(true)
})

test.each([
  ['an empty set', { body: '{"keys":[]}' }],
  ['HTML', { body: '<html>down for maintenance</html>' }],
  ['an error', { body: '{"keys":[]}', status: 500 }],
  ['2 MiB of nothing', { body: ' '.repeat(2 << 20) }],
])('facts/threats.md §3 row 25 %s never replaces a good set', async (_name, mode) => {
  const gateway = bench()
  expect(await ask(gateway, await issuer.sign())).toBe('pass')
  const token = await issuer.sign({ user_id: 'u-2' })
  issuer.mode = mode
  const set = gateway.keys.of(issuer.policy())
  expect(await set.keyFor('unknown')).toEqual({ at: 'unavailable' })
  expect(await ask(gateway, token)).toBe('pass')
})

test('facts/threats.md 1d a redirect of the key set is not followed, even to good keys', async () => {
  const elsewhere = await TokenIssuer.open()
  elsewhere.keys = issuer.keys
  issuer.mode = { body: '', status: 302, location: elsewhere.url }
  expect(await ask(bench(), await issuer.sign())).toBe('service-unavailable')
  expect(elsewhere.fetches).toBe(0)
  await elsewhere.close()
})

test('ID-8 a removed key is refused at once after the fetch that lacks it, also from memory', async () => {
  const gateway = bench()
  const token = await issuer.sign()
  expect(await ask(gateway, token)).toBe('pass')
  expect(await ask(gateway, token)).toBe('pass')
  await issuer.addKey('key-2')
  issuer.keys.shift()
  expect(await ask(gateway, await issuer.sign())).toBe('pass')
  expect(await ask(gateway, token)).toBe('invalid-token')
})

test('ID-1 the issuer’s list of algorithms decides also where its keys name none', async () => {
  issuer.hideAlgorithms = true
  const gateway = bench()
  const [rsa] = issuer.keys
  if (rsa === undefined) throw new Error('no key')
  expect(await ask(gateway, await issuer.sign())).toBe('pass')
  const pss = await importPKCS8(await exportPKCS8(rsa.privateKey), 'PS256')
  expect(await ask(gateway, await issuer.sign({}, {}, { ...rsa, alg: 'PS256', privateKey: pss }))).toBe('invalid-token')
})

test('ID-1 keys that are too weak, for encryption or of another kind are not taken', async () => {
  const weak = { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'key-1', alg: 'RS256' }
  const secret = { kty: 'oct', k: 'c2VjcmV0', kid: 'key-1', alg: 'HS256' }
  issuer.mode = { body: JSON.stringify({ keys: [weak, secret, { ...weak, use: 'enc' }] }) }
  expect(await ask(bench(), await issuer.sign())).toBe('service-unavailable')
})
