import { expect, test } from 'vitest'
import { auditedBody, bodyRule } from '../../ext-authz/audit/audited-body.ts'
import { headerRules, headersText, queryText } from '../../ext-authz/audit/redaction.ts'
import { readable } from '../../ext-authz/audit/text.ts'

const SECRET = 'canary-5up3r'

function headers(list: readonly (readonly [string, string])[], listed: readonly string[] = []): Record<string, string> {
  const raw = list.map(([key, value]) => ({ key, raw_value: Buffer.from(value, 'latin1') }))
  return JSON.parse(headersText(raw, headerRules(listed)))
}

test('AU-6 headers of the allow-list and of the route are recorded, all others leave no trace', () => {
  const shown = headers(
    [
      ['user-agent', 'curl/8'],
      ['x-tenant', 'blue'],
      ['x-unlisted', SECRET],
      ['x-request-id', 'r-1'],
    ],
    ['X-Tenant'],
  )
  expect(shown).toEqual({ 'user-agent': 'curl/8', 'x-tenant': 'blue' })
})

test.each([
  'authorization',
  'cookie',
  'proxy-authorization',
  'x-api-key',
  'x-refresh-token',
  'x-client-secret',
  'x-user-password',
  'idempotency-key',
])('AU-6 of %s only its presence is recorded, also when a route lists it', (name) => {
  expect(headers([[name, SECRET]], [name])).toEqual({ [name]: '***REDACTED***' })
})

test('AU-6 a referer and an origin are recorded without user, password, query and fragment', () => {
  const urls = {
    [`https://u:${SECRET}@a.example/p?code=${SECRET}`]: 'https://a.example/p',
    [`https://a.example/p#${SECRET}`]: 'https://a.example/p',
    [`//u:${SECRET}@a.example`]: '//a.example',
    'https://a.example/@me': 'https://a.example/@me',
  }
  for (const [url, shown] of Object.entries(urls)) {
    expect(headers([['referer', url]]), url).toEqual({ referer: shown })
    expect(headers([['origin', url]]), url).toEqual({ origin: shown })
  }
})

test('a header sent twice is recorded with both values; ten thousand times is bounded', () => {
  const twice = headers([
    ['accept', 'a/b'],
    ['accept', 'c/d'],
  ])
  expect(twice).toEqual({ accept: 'a/b, c/d' })
  const many = headers(Array.from({ length: 10_000 }, () => ['accept', 'x'.repeat(100)] as const))
  expect(many['accept']?.length).toBeLessThan(2_500)
})

test('a value over 1,024 characters is cut and says how long it was; all values together are bounded', () => {
  const { 'user-agent': agent = '' } = headers([['user-agent', 'x'.repeat(5000)]])
  expect(agent).toBe(`${'x'.repeat(1024)}… (5000 characters)`)
  const names = Array.from({ length: 32 }, (_, n) => `x-listed-${n}`)
  const all = headers(
    names.map((name) => [name, 'y'.repeat(1000)] as const),
    names,
  )
  expect(Object.keys(all)).toEqual(names)
  expect(JSON.stringify(all).length).toBeLessThan(10_000)
  expect(all['x-listed-31']).toBe('… (1000 characters)')
})

test('bytes of a header that are UTF-8 are read so, others stay visible one by one', () => {
  expect(readable(Buffer.from('café ✓').toString('latin1'))).toBe('café ✓')
  expect(readable('a\xffb\xe9')).toBe('a\\xffb\\xe9')
  expect(headers([['user-agent', 'a\xff"\\\u0000\u001f']])).toEqual({ 'user-agent': 'a\\xff"\\\u0000\u001f' })
})

test('AU-6 only listed parameters are recorded, decoded; of others not even the name', () => {
  const listed = new Set(['page', 'q', 'session_token', '__proto__'])
  const query = `page=2&secret=${SECRET}&${SECRET}&q=a+b%20c%26d&session_token=${SECRET}&q=%ff&__proto__=x`
  expect(JSON.parse(queryText(query, listed) ?? '')).toEqual(
    JSON.parse('{"page":"2","q":"a b c&d, %ff","session_token":"***REDACTED***","__proto__":"x"}'),
  )
  expect(queryText(`secret=${SECRET}`, listed)).toBeUndefined()
  expect(queryText('page', listed)).toBe('{"page":""}')
})

test('parameters are bounded in length and in number', () => {
  const text = queryText(`${'page=&'.repeat(10_000)}q=${'z'.repeat(50_000)}`, new Set(['page', 'q'])) ?? ''
  expect(text.length).toBeLessThan(3_000)
  expect(text).toContain('… (50000 characters)')
})

const RULE = bodyRule({ maxBytes: 1000, mask: ['Customer-Name'] })
const body = (text: string | Buffer, more: { size?: number; partial?: boolean } = {}) => {
  const bytes = Buffer.from(text)
  return auditedBody({ bytes, size: bytes.length, partial: false, ...more }, RULE)
}

test('AU-6 secret members of a body are masked at any depth and in any spelling, the rest is kept', () => {
  const sent = {
    name: 'a',
    Password: SECRET,
    list: [{ api_key: SECRET, 'API-Key': SECRET, deep: { accessToken: SECRET, card: { cardNumber: SECRET } } }],
    customerName: SECRET,
    customer_name: [SECRET],
    authorization: { scheme: SECRET },
    refresh_tokens: [SECRET],
    max_tokens: 100,
    pin: 1234,
    spinning: true,
  }
  const { json, truncated, bytes } = body(JSON.stringify(sent))
  expect(JSON.stringify(json)).not.toContain(SECRET)
  expect({ truncated, bytes }).toEqual({ truncated: false, bytes: JSON.stringify(sent).length })
  expect(json).toMatchObject({
    name: 'a',
    Password: '***REDACTED***',
    list: [{ api_key: '***REDACTED***', deep: { accessToken: '***REDACTED***' } }],
    customerName: '***REDACTED***',
    max_tokens: 100,
    pin: '***REDACTED***',
    spinning: true,
  })
})

test.each([
  ['no JSON', `password=${SECRET}`],
  ['half JSON', `{"password":"${SECRET}`],
  ['a bare value, which no name tells about', `"${SECRET}"`],
  ['deeper than 32 levels', `${'['.repeat(40)}"${SECRET}"${']'.repeat(40)}`],
  ['over the cap', `{"a":"${SECRET}${'x'.repeat(1000)}"}`],
])('AU-6 of a body that is %s only size and hash are recorded', (_name, text) => {
  const audited = body(text)
  expect(audited).toEqual({
    bytes: Buffer.byteLength(text),
    truncated: false,
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
})

test('AU-6 a secret whose name stands in a value is masked as well, and short names that say it all', () => {
  const sent = {
    env: [
      { name: 'DB_PASSWORD', value: 'hunter2' },
      { key: 'API-Key', Value: 'k-1', note: 'kept' },
      { variable: 'HMAC_KEY', stringValue: 'x', id: 7 },
      { op: 'replace', path: '/users/7/password', value: 'y' },
      { key: 'max_tokens', value: 5 },
      { title: 'How do I reset my password?', data: 'kept' },
      { name: 'LANG', value: 'de' },
      { header: 'Authorization', values: ['Bearer x'] },
      { name: 'badge', value: '4711' },
    ],
    auth: 'a',
    pass: 'b',
    encryption_key: 'c',
    bearer: 'd',
    key: 'e',
    storage_key: 'f',
    public_key: 'kept',
    passport_country: 'DE',
  }
  const bytes = Buffer.from(JSON.stringify(sent))
  const rule = bodyRule({ maxBytes: 4096, mask: ['badge'] })
  const { json } = auditedBody({ bytes, size: bytes.length, partial: false }, rule)
  expect(json).toEqual({
    env: [
      { name: 'DB_PASSWORD', value: '***REDACTED***' },
      { key: 'API-Key', Value: '***REDACTED***', note: 'kept' },
      { variable: 'HMAC_KEY', stringValue: '***REDACTED***', id: 7 },
      { op: 'replace', path: '/users/7/password', value: '***REDACTED***' },
      { key: 'max_tokens', value: 5 },
      { title: 'How do I reset my password?', data: 'kept' },
      { name: 'LANG', value: 'de' },
      { header: 'Authorization', values: '***REDACTED***' },
      { name: 'badge', value: '***REDACTED***' },
    ],
    auth: '***REDACTED***',
    pass: '***REDACTED***',
    encryption_key: '***REDACTED***',
    bearer: '***REDACTED***',
    key: '***REDACTED***',
    storage_key: '***REDACTED***',
    public_key: 'kept',
    passport_country: 'DE',
  })
})

test('AU-6 a body that Envoy cut is not kept, even where the beginning happens to be JSON; its size is that of the whole', () => {
  expect(body('{"a":1}', { partial: true })).toMatchObject({ bytes: 7, truncated: true })
  expect(body('{"a":1}', { partial: true })).not.toHaveProperty('json')
  expect(body('{"a":1}', { size: 70_000 })).toMatchObject({ bytes: 70_000, truncated: true })
  expect(body('{"a":1}', { size: -1 })).toMatchObject({ bytes: 7, truncated: false, json: { a: 1 } })
})
