import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadDefinitions } from '../../policies/load.ts'
import { definition, folderOf, textAt } from './definition-folder.ts'

const CERTIFICATES = `"certificates": { "edge": { "certificate": "a.pem", "key": "b.pem" } }`

const CASES: readonly (readonly [string, string, object, string])[] = [
  ['SP4001 a bindings file is JSON', `{ ${CERTIFICATES}, }`, { code: 'SP4001', line: 1 }, '}'],
  [
    'SP2001 a bindings file has four parts',
    `{ "upstream": {}, ${CERTIFICATES} }`,
    { code: 'SP2001', field: 'upstream', suggestion: 'did you mean "upstreams"?' },
    '"upstream"',
  ],
  [
    'SP4002 an unknown issuer',
    `{ "issuers": { "waoow": {} }, ${CERTIFICATES} }`,
    { code: 'SP4002', field: 'issuers.waoow', suggestion: 'did you mean "waooaw"?' },
    '"waoow"',
  ],
  [
    'SP4002 an unknown listener',
    `{ "listeners": { "publik": {} }, ${CERTIFICATES} }`,
    { code: 'SP4002', field: 'listeners.publik', suggestion: 'did you mean "public"?' },
    '"publik"',
  ],
  [
    'SP4002 a TLS port for a listener without TLS',
    `{ "listeners": { "internal": { "tlsPort": 9443 } }, ${CERTIFICATES} }`,
    { code: 'SP4002', field: 'listeners.internal.tlsPort', suggestion: 'remove it' },
    '9443',
  ],
  [
    'SP4002 a misspelt address of an upstream',
    `{ "upstreams": { "plnt:8000": "127.0.0.1:1" }, ${CERTIFICATES} }`,
    { code: 'SP4002', field: 'upstreams["plnt:8000"]', suggestion: 'did you mean "plant:8000"?' },
    '"plnt:8000"',
  ],
  [
    'SP2021 an upstream bound to no address',
    `{ "upstreams": { "plant:8000": "127.0.0.1" }, ${CERTIFICATES} }`,
    { code: 'SP2021', field: 'upstreams["plant:8000"]' },
    '"127.0.0.1"',
  ],
  ...['http://keys.example/jwks', 'http://10.0.0.7/jwks', 'ftp://127.0.0.1/jwks'].map(
    (url) =>
      [
        `SP4003 keys from ${url} could be forged (ID-4)`,
        `{ "issuers": { "waooaw": { "jwks": "${url}" } }, ${CERTIFICATES} }`,
        {
          code: 'SP4003',
          field: 'issuers.waooaw.jwks',
          expected: 'an https: or file: URL, or http: on a loopback address',
        },
        `"${url}"`,
      ] as const,
  ),
  [
    'SP2005 a port out of range',
    `{ "listeners": { "public": { "port": 0 } }, ${CERTIFICATES} }`,
    { code: 'SP2005', field: 'listeners.public.port' },
    '0',
  ],
  [
    'SP4004 a TLS listener needs a certificate (RT-2)',
    `{ "certificates": {} }`,
    { code: 'SP4004', field: 'certificates', expected: expect.stringContaining('"edge"') },
    '{}',
  ],
]

test.each(CASES)('%s', async (_rule, text, problem, at) => {
  const folder = await folderOf({ 'a.ts': definition('a') })
  const file = join(await folderOf({}), 'bindings.json')
  await writeFile(file, text)
  const loaded = await loadDefinitions(folder, { bindings: file })
  expect(loaded).toMatchObject({ ok: false, problems: [{ file, line: 1, ...problem }] })
  if (!loaded.ok && loaded.problems[0] !== undefined) expect(textAt(text, loaded.problems[0]).startsWith(at)).toBe(true)
})

test.each([
  'https://keys.example/jwks',
  'http://127.0.0.1:9/jwks',
  'http://[::1]/jwks',
  'http://localhost/jwks',
  'file:///k.json',
])('ID-4 keys may come from %s', async (url) => {
  const folder = await folderOf({ 'a.ts': definition('a') })
  const file = join(await folderOf({}), 'bindings.json')
  await writeFile(file, `{ "issuers": { "waooaw": { "jwks": "${url}" } }, ${CERTIFICATES} }`)
  expect(await loadDefinitions(folder, { bindings: file })).toMatchObject({ ok: true })
})

test('SP3012 two ports of one listener cannot be the same', async () => {
  const folder = await folderOf({ 'a.ts': definition('a') })
  const file = join(await folderOf({}), 'bindings.json')
  await writeFile(file, `{ "listeners": { "public": { "port": 9000, "tlsPort": 9000 } }, ${CERTIFICATES} }`)
  expect(await loadDefinitions(folder, { bindings: file })).toMatchObject({
    ok: false,
    problems: [{ code: 'SP3012', file: 'policies/listeners.ts', field: 'public.tls.port' }],
  })
})

test('SP4001 a bindings file that is missing is told', async () => {
  const folder = await folderOf({ 'a.ts': definition('a') })
  expect(await loadDefinitions(folder, { bindings: join(folder, 'gone.json') })).toMatchObject({
    ok: false,
    problems: [{ code: 'SP4001', message: expect.stringContaining('ENOENT') }],
  })
})
