import { expect, test } from 'vitest'
import { definition, problemsOf, textAt } from './definition-folder.ts'

const PP = `type: 'PP',`

test('SP3001…SP3011 every name that stands for nothing and every contradiction is told at its place', async () => {
  const cases = {
    'target.ts': ['', `x: get('/x', { target: 'plnat' }),`, 'SP3001 x target', 'did you mean "plant"?', `'plnat'`],
    'trial.ts': [
      `target: { paid: 'plant', trial: 'sandbx' },`,
      '',
      'SP3001  target.trial',
      'did you mean "sandbox"?',
      `'sandbx'`,
    ],
    'issuer.ts': [
      '',
      `x: get('/x', { identity: jwt('waooaw', 'keyclaok') }),`,
      'SP3002 x identity.issuers[1]',
      'did you mean "keycloak"?',
      `'keyclaok'`,
    ],
    'listener.ts': [`listener: 'intrenal',`, '', 'SP3003  listener', 'did you mean "internal"?', `'intrenal'`],
    'permission.ts': [PP, `first: get('/agent'),`, 'SP3004 first path', 'did you mean "agents:read"?', `'/agent'`],
    'action.ts': [
      PP,
      `first: post('/agents', { action: 'creat' }),`,
      'SP3004 first action',
      'did you mean "agents:create"?',
      `'creat'`,
    ],
    'resource.ts': [
      PP,
      `first: get('/{id}'),`,
      'SP3004 first resource',
      `say resource: '…', or rbac: false`,
      `get('/{id}')`,
    ],
    'all.ts': [
      PP,
      `first: all('/agents'),`,
      'SP3004 first action',
      `say action: '…', or rbac: false`,
      `all('/agents')`,
    ],
    'leak.ts': [
      `upstreams: { plant: http('a:1'), sandbox: http('b:1', { forwardCredentials: true }) },`,
      '',
      'SP3007  target.trial',
      'remove forwardCredentials, or name another upstream for trial users',
      `'sandbox' }`,
    ],
    'roles.ts': [
      '',
      `x: get('/x', { identity: open('nobody is known here'), target: 'plant', rbac: true }),`,
      'SP3009 x rbac',
      'remove rbac, or ask for a token: identity: jwt(…)',
      'true }',
    ],
    'scopes.ts': [
      `identity: open('nobody is known here'), target: 'plant', scopes: ['a:*'],`,
      '',
      'SP3009  scopes',
      'remove scopes, or ask for a token: identity: jwt(…)',
      `['a:*']`,
    ],
    'split.ts': [
      '',
      `x: get('/x', { identity: open('nobody is known here') }),`,
      'SP3009 x target',
      'name one upstream: target: "plant"',
      `get('/x'`,
    ],
    'strip.ts': ['', `x: get('/x', { stripPrefix: '/str' }),`, 'SP3010 x stripPrefix', undefined, `'/str'`],
    'tries.ts': [
      `timeout: '5s',`,
      `x: get('/x', { retries: { attempts: 1, on: ['reset'], perTryTimeout: '6s' } }),`,
      'SP3011 x retries',
      'make perTryTimeout smaller or timeout larger',
      '{ attempts',
    ],
  } as const
  const sources = Object.entries(cases).map(([file, [fields, route]]) => {
    return [file, definition(file.slice(0, -3), fields, route)] as const
  })
  const found = await problemsOf(Object.fromEntries(sources))
  for (const [file, source] of sources) {
    const [, , place, suggestion, at] = cases[file as keyof typeof cases]
    const [only, ...others] = found.get(file) ?? []
    expect({ file, others }).toEqual({ file, others: [] })
    expect({ file, place: `${only?.code} ${only?.route ?? ''} ${only?.field}` }).toEqual({ file, place })
    if (suggestion !== undefined) expect(only?.suggestion).toBe(suggestion)
    if (only !== undefined) expect(textAt(source, only).slice(0, at.length)).toBe(at)
  }
})

test('SP3005 two files cannot declare one gateway', async () => {
  const found = await problemsOf({ 'a.ts': definition('same'), 'b.ts': definition('same', `prefix: '/other',`) })
  expect(found.get('a.ts')).toBeUndefined()
  expect(found.get('b.ts')).toMatchObject([
    { code: 'SP3005', gateway: 'same', field: 'name', line: 4, message: expect.stringContaining('a.ts:4') },
  ])
})

test('SP3006 two routes of one shape and method clash, with both places told', async () => {
  const found = await problemsOf({
    'a.ts': definition('a', `prefix: '/p',`, `show: get('/x/{id}'),`),
    'b.ts': definition('b', `prefix: '/p', routes: { look: get('/x/{name}') },`),
  })
  expect(found.get('b.ts')).toMatchObject([
    {
      code: 'SP3006',
      gateway: 'b',
      route: 'look',
      field: 'path',
      message: expect.stringMatching(
        /^GET \/p\/x\/\{name\} is answered already, by a \/ show \(\/p\/x\/\{id\}\) at .*a\.ts:10$/,
      ),
    },
  ])
})

test('SP3006 a wildcard host overlaps the names it covers', async () => {
  const found = await problemsOf({
    'a.ts': definition('a', `prefix: '/p', hosts: ['*.example.com'],`),
    'b.ts': definition('b', `prefix: '/p', hosts: ['api.example.com'],`),
    'c.ts': definition('c', `prefix: '/p', hosts: ['api.example.org'],`),
  })
  expect([...found.keys()]).toEqual(['b.ts'])
})

test('SP3006 other hosts, listeners, methods and shapes live side by side, and a named method beside all', async () => {
  const found = await problemsOf({
    'a.ts': definition(
      'a',
      `prefix: '/p', hosts: ['a.example'],`,
      `x: get('/y/{id}'), y: all('/first'), z: get('/y/*'),`,
    ),
    'b.ts': definition('b', `prefix: '/p', hosts: ['b.example'],`),
    'c.ts': definition('c', `prefix: '/p', listener: 'internal',`),
    'd.ts': definition('d', `prefix: '/p', hosts: ['a.example'], routes: { first: post('/first') },`),
    'e.ts': definition('e', 'nothing: 1,'),
  })
  expect([...found.keys()]).toEqual(['e.ts'])
})
