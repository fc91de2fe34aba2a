import { beforeAll, describe, expect, test } from 'vitest'
import type { CompiledRoute } from '../../policies/compile.ts'
import type { DefinitionProblem } from '../../policies/definition-problem.ts'
import { loadDefinitions } from '../../policies/load.ts'
import { definition, folderOf, problemsOf, textAt } from './definition-folder.ts'

async function routesOf(text: string): Promise<ReadonlyMap<string, CompiledRoute>> {
  const loaded = await loadDefinitions(await folderOf({ 'a.ts': text }))
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  return new Map(loaded.definitions.gateways.flatMap(({ routes }) => routes.map((route) => [route.name, route])))
}

const auditOf = (routes: ReadonlyMap<string, CompiledRoute>, name: string) => routes.get(name)?.policy.audit

test.each([
  ['get', 'degrade'],
  ['post', 'deny'],
  ['put', 'deny'],
  ['patch', 'deny'],
  ['del', 'deny'],
  ['all', 'deny'],
])(
  'AZ-7 without a word about it, a route made with %s takes %s when its decision cannot be written',
  async (make, on) => {
    const routes = await routesOf(definition('a', '', `x: ${make}('/x')`))
    expect(auditOf(routes, 'x')).toEqual({ onFailure: on })
  },
)

describe('AU-6 a route’s audit', () => {
  let routes: ReadonlyMap<string, CompiledRoute>

  beforeAll(async () => {
    routes = await routesOf(
      definition(
        'a',
        `audit: { onFailure: 'deny', query: ['page', 'limit'], headers: ['x-till'], body: { maxBytes: 10, mask: ['iban', 'bic'] } },`,
        `own: post('/own', { audit: { onFailure: 'degrade', query: ['q'], headers: ['x-shop', 'x-lane'], body: { maxBytes: 65_536 } } }),
         part: get('/part', { audit: { query: ['q'] } }),
         none: get('/none', { audit: { query: [], headers: [], body: false } }),
         plain: get('/plain'),`,
      ),
    )
  })

  test('takes what its gateway says where it says nothing', () => {
    expect(auditOf(routes, 'plain')).toEqual({
      onFailure: 'deny',
      query: ['limit', 'page'],
      headers: ['x-till'],
      body: { maxBytes: 10, mask: ['bic', 'iban'] },
    })
  })

  test('overrides field by field', () => {
    expect(auditOf(routes, 'part')).toEqual({ ...auditOf(routes, 'plain'), query: ['q'] })
    expect(auditOf(routes, 'own')).toEqual({
      onFailure: 'degrade',
      query: ['q'],
      headers: ['x-lane', 'x-shop'],
      body: { maxBytes: 65_536, mask: [] },
    })
  })

  test('takes back what its gateway asks for by empty lists and false', () => {
    expect(auditOf(routes, 'none')).toEqual({ onFailure: 'deny' })
  })
})

test('AU-6 the order in which names are listed changes no policy', async () => {
  const one = await routesOf(definition('a', '', `x: get('/x', { audit: { query: ['a', 'b'] } })`))
  const other = await routesOf(definition('a', '', `x: get('/x', { audit: { query: ['b', 'a'] } })`))
  expect(auditOf(one, 'x')).toEqual(auditOf(other, 'x'))
})

describe('OB-8 a policy says in which line each of its rules is written', () => {
  const TEXT = definition(
    'a',
    `type: 'PP',
  addresses: ['10.0.0.0/8'],
  scopes: ['marketing:*'],`,
    `of: get('/agents'),
  first: get('/reports'),
  own: get('/agents/{id}', {
    identity: jwt('admin'),
    addresses: ['10.1.0.0/16'],
    scopes: ['marketing:read'],
    rbac: true,
    target: { paid: 'plant', trial: 'sandbox' },
  }),
  free: get('/free', { identity: open('everybody may read this'), target: 'plant' }),
  `,
  )
  /** `file:line` of the first line, from the end or the start, that holds a text. */
  const line = (part: string, from: 'first' | 'last' = 'first') => {
    const lines = TEXT.split('\n')
    const index =
      from === 'first' ? lines.findIndex((l) => l.includes(part)) : lines.findLastIndex((l) => l.includes(part))
    return expect.stringMatching(new RegExp(`a\\.ts:${index + 1}$`))
  }
  let routes: ReadonlyMap<string, CompiledRoute>
  beforeAll(async () => {
    routes = await routesOf(TEXT)
  })

  test('the gateway’s line where the route takes the gateway’s rule; the type’s where that one decides RBAC', () => {
    expect(routes.get('of')?.policy.sources).toEqual({
      identity: line(`identity: jwt('waooaw')`),
      addresses: line(`addresses: ['10.0`),
      rbac: line(`type: 'PP'`),
      scopes: line(`scopes: ['marketing:*']`),
      target: line(`target: { paid`),
    })
  })

  test('the route’s own line where it has a rule of its own, both where both must hold', () => {
    const sources = routes.get('own')?.policy.sources
    expect(sources).toEqual({
      identity: line(`identity: jwt('admin')`),
      addresses: line(`addresses: ['10.1`),
      rbac: line('rbac: true'),
      scopes: line(`scopes: ['marketing:read']`),
      target: line('target: { paid', 'last'),
    })
    expect(sources?.addresses).toMatch(/a\.ts:\d+, .*a\.ts:\d+$/)
  })

  test('nothing for rules that the route does not have', () => {
    expect(routes.get('free')?.policy.sources).toEqual({
      identity: line('free: get'),
      addresses: line(`addresses: ['10.0`),
    })
  })
})

interface Case {
  readonly rule: string
  /** What stands in the route's `audit`. */
  readonly audit: string
  readonly problem: Partial<DefinitionProblem>
  readonly at: string
}

const MANY = Array.from({ length: 33 }, (_, index) => `'x-${index}'`).join()

const CASES: readonly Case[] = [
  {
    rule: 'SP2001 a misspelt field is refused with the nearest name',
    audit: `onFailur: 'deny'`,
    problem: { code: 'SP2001', field: 'audit.onFailur', suggestion: 'did you mean "onFailure"?' },
    at: 'onFailur',
  },
  {
    rule: 'SP2001 a misspelt field of the body is refused with the nearest name',
    audit: 'body: { maxBytes: 1, masks: [] }',
    problem: { code: 'SP2001', field: 'audit.body.masks', suggestion: 'did you mean "mask"?' },
    at: 'masks',
  },
  {
    rule: 'SP2004 there is no third thing to do when a decision cannot be written',
    audit: `onFailure: 'ignore'`,
    problem: { code: 'SP2004', field: 'audit.onFailure', expected: 'one of "deny", "degrade"' },
    at: `'ignore'`,
  },
  ...['0', '65_537', '1.5'].map((bytes) => ({
    rule: `SP2005 a body of ${bytes} bytes is out of range`,
    audit: `body: { maxBytes: ${bytes} }`,
    problem: { code: 'SP2005', field: 'audit.body.maxBytes', expected: 'a whole number from 1 to 65536' } as const,
    at: bytes,
  })),
  {
    rule: 'SP2006 no name twice',
    audit: `query: ['page', 'page']`,
    problem: { code: 'SP2006', field: 'audit.query[1]', message: '"page" is listed twice' },
    at: `'page'`,
  },
  {
    rule: 'SP2017 a header name is in lower case',
    audit: `headers: ['X-Till']`,
    problem: { code: 'SP2017', field: 'audit.headers[0]', suggestion: 'write "x-till"' },
    at: `'X-Till'`,
  },
  {
    rule: 'SP2023 a header that the gateway makes itself is not audited as the client’s',
    audit: `headers: ['x-user-id']`,
    problem: { code: 'SP2023', field: 'audit.headers[0]' },
    at: `'x-user-id'`,
  },
  ...['', 'a b', 'naïve'].map((name) => ({
    rule: `SP2023 ${JSON.stringify(name)} is no name of a query parameter`,
    audit: `query: ['${name}']`,
    problem: { code: 'SP2023', field: 'audit.query[0]' } as const,
    at: `'${name}'`,
  })),
  {
    rule: 'SP2023 a masked member has a name',
    audit: String.raw`body: { maxBytes: 1, mask: ['a\n'] }`,
    problem: { code: 'SP2023', field: 'audit.body.mask[0]' },
    at: String.raw`'a\n'`,
  },
  ...[
    'authorization',
    'proxy-authorization',
    'cookie',
    'set-cookie',
    'x-api-key',
    'x-auth-token',
    'x-client-secret',
  ].map((name) => ({
    rule: `SP2024 ${name} is never recorded`,
    audit: `headers: ['${name}']`,
    problem: {
      code: 'SP2024',
      field: 'audit.headers[0]',
      message: `"${name}" holds a credential by its name`,
    } as const,
    at: `'${name}'`,
  })),
  ...['access_token', 'accessToken', 'api_key', 'password', 'user[password]', 'code'].map((name) => ({
    rule: `SP2024 the query parameter ${name} is never recorded`,
    audit: `query: ['${name}']`,
    problem: { code: 'SP2024', field: 'audit.query[0]' } as const,
    at: `'${name}'`,
  })),
  {
    rule: 'SP2025 a list has at most 32 names',
    audit: `headers: [${MANY}]`,
    problem: { code: 'SP2025', field: 'audit.headers', message: 'the list has 33 names', expected: 'at most 32 names' },
    at: '[',
  },
]

describe('a broken audit', () => {
  const sources = CASES.map(({ audit }, index) => definition(`g${index}`, '', `x: get('/x', { audit: { ${audit} } })`))
  let problems: Map<string, DefinitionProblem[]>

  beforeAll(async () => {
    problems = await problemsOf(Object.fromEntries(sources.map((source, index) => [`g${index}.ts`, source])))
  })

  test.each(CASES.map((each, index) => ({ ...each, index })))('$rule', ({ index, problem, at }) => {
    const found = problems.get(`g${index}.ts`) ?? []
    expect(found).toHaveLength(1)
    const [only] = found
    expect(only).toMatchObject({ ...problem, route: 'x', gateway: `g${index}` })
    if (only !== undefined) expect(textAt(sources[index] ?? '', only).startsWith(at)).toBe(true)
  })
})

test('harmless names that only look like credentials are allowed', async () => {
  const names = ['keyword', 'tokens', 'sort_key', 'passwordless', 'author', 'zip_code']
  const list = names.map((name) => `'${name}'`).join()
  const routes = await routesOf(definition('a', '', `x: get('/x', { audit: { query: [${list}] } })`))
  expect(auditOf(routes, 'x')?.query).toEqual(names.toSorted())
})

test('SP3013 the routes of a listener audit at most 64 different headers', async () => {
  const names = (from: number) => Array.from({ length: 22 }, (_, index) => `'x-h${from + index}'`).join()
  const gateway = (name: string, from: number, more = '') =>
    definition(name, `audit: { headers: [${names(from)}] },${more}`)
  const fits = await loadDefinitions(await folderOf({ 'a.ts': gateway('a', 0), 'b.ts': gateway('b', 22) }))
  expect(fits.ok).toBe(true)
  const files = { 'a.ts': gateway('a', 0), 'b.ts': gateway('b', 22), 'c.ts': gateway('c', 44) }
  const problems = await problemsOf(files)
  expect([...problems.keys()]).toEqual(['c.ts'])
  expect(problems.get('c.ts')).toMatchObject([{ code: 'SP3013', field: 'audit.headers', expected: 'at most 64' }])
  const apart = { ...files, 'c.ts': gateway('c', 44, ` listener: 'internal',`) }
  expect((await loadDefinitions(await folderOf(apart))).ok).toBe(true)
})
