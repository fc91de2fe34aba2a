import { beforeAll, describe, expect, test } from 'vitest'
import { type DefinitionProblem, formatProblem } from '../../policies/definition-problem.ts'
import { loadDefinitions } from '../../policies/load.ts'
import { definition, folderOf, textAt } from './definition-folder.ts'

interface Case {
  readonly rule: string
  readonly fields?: string
  readonly route?: string
  /** The whole problem, but for file, place and frame. */
  readonly problem: Partial<DefinitionProblem>
  /** What the place points at. */
  readonly at: string
}

const CASES: readonly Case[] = [
  {
    rule: 'SP2001 a misspelt field of a gateway is refused with the nearest name',
    fields: `listner: 'public',`,
    problem: {
      code: 'SP2001',
      field: 'listner',
      message: 'there is no field "listner" here',
      suggestion: 'did you mean "listener"?',
    },
    at: 'listner:',
  },
  {
    rule: 'SP2001 a field of another system is refused without a guess',
    route: `x: get('/x', { circuitBreakers: {} }),`,
    problem: { code: 'SP2001', route: 'x', field: 'circuitBreakers', suggestion: 'remove it' },
    at: 'circuitBreakers',
  },
  {
    rule: 'SP2003 a wrong type says what was expected',
    fields: `rbac: 'yes',`,
    problem: { code: 'SP2003', field: 'rbac', message: '"yes" has the wrong type', expected: 'true or false' },
    at: `'yes'`,
  },
  {
    rule: 'SP2004 an unknown type of gateway is refused with the nearest',
    fields: `type: 'marketting',`,
    problem: {
      code: 'SP2004',
      field: 'type',
      message: '"marketting" is not known here',
      suggestion: 'did you mean "marketing"?',
    },
    at: `'marketting'`,
  },
  {
    rule: 'SP2004 a method that routes cannot have is refused',
    route: `x: { method: 'TRACE', path: '/x' },`,
    problem: { code: 'SP2004', route: 'x', field: 'method', message: '"TRACE" is not known here' },
    at: `'TRACE'`,
  },
  {
    rule: 'SP2004 an unknown retry condition is refused with the nearest',
    route: `x: get('/x', { retries: { attempts: 1, on: ['conect-failure'] } }),`,
    problem: { code: 'SP2004', route: 'x', field: 'retries.on[0]', suggestion: 'did you mean "connect-failure"?' },
    at: `'conect-failure'`,
  },
  {
    rule: 'SP2005 six retries are one too many',
    route: `x: get('/x', { retries: { attempts: 6, on: ['reset'] } }),`,
    problem: {
      code: 'SP2005',
      route: 'x',
      field: 'retries.attempts',
      message: '6 is out of range',
      expected: 'a whole number from 0 to 5',
    },
    at: '6,',
  },
  {
    rule: 'SP2006 jwt() without an issuer is refused',
    fields: 'identity: jwt(),',
    problem: { code: 'SP2006', field: 'identity.issuers', message: 'the list is empty' },
    at: 'jwt()',
  },
  {
    rule: 'SP2006 a host listed twice is refused',
    fields: `hosts: ['a.example', 'a.example'],`,
    problem: { code: 'SP2006', field: 'hosts[1]', message: '"a.example" is listed twice' },
    at: `'a.example']`,
  },
  {
    rule: 'SP2010 a gateway is named in lower-case kebab',
    fields: `name: 'Partner Portal',`,
    problem: {
      code: 'SP2010',
      field: 'name',
      message: '"Partner Portal" is not a name',
      suggestion: 'write "partner-portal"',
    },
    at: `'Partner Portal'`,
  },
  {
    rule: 'SP2011 a host has neither scheme nor capitals',
    fields: `hosts: ['https://API.example.com/x'],`,
    problem: { code: 'SP2011', field: 'hosts[0]', suggestion: 'write "api.example.com"' },
    at: `'https://API`,
  },
  {
    rule: 'SP2011 a wildcard stands for whole labels only',
    fields: `hosts: ['api-*.example.com'],`,
    problem: { code: 'SP2011', field: 'hosts[0]', message: '"api-*.example.com" is not a host' },
    at: `'api-*`,
  },
  ...['/x;y', '/x%2fy', '/ä', '/x y', '/{id', '/{a}b', '/**'].map((path) => ({
    rule: `SP2012 ${path} is not a path`,
    route: `x: get('${path}'),`,
    problem: { code: 'SP2012', route: 'x', field: 'path', message: `"${path.slice(1)}" is not a segment` } as const,
    at: `'${path}'`,
  })),
  {
    rule: 'SP2012 a colon is no template here',
    route: `x: get('/agents/:id'),`,
    problem: { code: 'SP2012', route: 'x', field: 'path', suggestion: 'write "{id}"' },
    at: `'/agents/:id'`,
  },
  {
    rule: 'SP2012 * stands only at the end',
    route: `x: get('/a/*/b'),`,
    problem: { code: 'SP2012', route: 'x', field: 'path', message: '* is only allowed at the end' },
    at: `'/a/*/b'`,
  },
  {
    rule: 'SP2012 dot segments are refused',
    route: `x: get('/a/../b'),`,
    problem: { code: 'SP2012', route: 'x', field: 'path', message: 'a client cannot ask for "..": Envoy resolves it' },
    at: `'/a/../b'`,
  },
  {
    rule: 'SP2012 double slashes are refused',
    route: `x: get('/a//b'),`,
    problem: { code: 'SP2012', route: 'x', field: 'path', message: 'a path holds no //: Envoy merges slashes' },
    at: `'/a//b'`,
  },
  {
    rule: 'SP2012 a slash at the end is refused',
    route: `x: get('/a/'),`,
    problem: { code: 'SP2012', route: 'x', field: 'path', suggestion: 'remove the slash at the end' },
    at: `'/a/'`,
  },
  {
    rule: 'SP2012 one template name stands for one segment',
    route: `x: get('/{id}/{id}'),`,
    problem: { code: 'SP2012', route: 'x', field: 'path', message: '{id} is used twice' },
    at: `'/{id}/{id}'`,
  },
  {
    rule: 'SP2012 a prefix is literal',
    fields: `prefix: '/{tenant}',`,
    problem: { code: 'SP2012', field: 'prefix', message: '"{tenant}" is not a segment' },
    at: `'/{tenant}'`,
  },
  {
    rule: 'SP2013 a prefix leaves /.sallyport to the gateway',
    fields: `prefix: '/.sallyport/x',`,
    problem: { code: 'SP2013', field: 'prefix', message: '/.sallyport/ belongs to the gateway itself' },
    at: `'/.sallyport/x'`,
  },
  {
    rule: 'SP2014 an address alone is no CIDR (ID-13)',
    fields: `addresses: ['10.1.2.3'],`,
    problem: {
      code: 'SP2014',
      field: 'addresses[0]',
      message: '"10.1.2.3" is not a CIDR',
      suggestion: 'write "10.1.2.3/32"',
    },
    at: `'10.1.2.3'`,
  },
  {
    rule: 'SP2014 bits behind the prefix are a misunderstanding (ID-13)',
    route: `x: get('/x', { addresses: ['10.1.2.3/8'] }),`,
    problem: { code: 'SP2014', route: 'x', field: 'addresses[0]', suggestion: 'write "10.0.0.0/8"' },
    at: `'10.1.2.3/8'`,
  },
  {
    rule: 'SP2014 a prefix longer than the address is refused (ID-13)',
    fields: `addresses: ['10.0.0.0/33'],`,
    problem: { code: 'SP2014', field: 'addresses[0]', message: '"10.0.0.0/33" is not a CIDR' },
    at: `'10.0.0.0/33'`,
  },
  {
    rule: 'SP2014 an IPv4 network in IPv6 form would never match (ID-13)',
    fields: `addresses: ['::ffff:10.0.0.0/104'],`,
    problem: { code: 'SP2014', field: 'addresses[0]', suggestion: 'write the IPv4 CIDR' },
    at: `'::ffff`,
  },
  {
    rule: 'SP2015 a time without a unit is refused with both readings',
    route: `x: get('/x', { timeout: 15 }),`,
    problem: {
      code: 'SP2015',
      route: 'x',
      field: 'timeout',
      message: '15 has no unit',
      suggestion: 'write "15s" or "15ms"',
    },
    at: '15 }',
  },
  {
    rule: 'SP2015 more than an hour is out of range',
    fields: `timeout: '61m',`,
    problem: { code: 'SP2015', field: 'timeout', message: '"61m" is out of range' },
    at: `'61m'`,
  },
  {
    rule: 'SP2015 zero is out of range: it would mean "for ever" to Envoy',
    fields: `timeout: '0s',`,
    problem: { code: 'SP2015', field: 'timeout', message: '"0s" is out of range' },
    at: `'0s'`,
  },
  ...['*', 'null', 'https://*.example.com'].map((origin) => ({
    rule: `SP2016 the origin ${origin} is refused (RT-4)`,
    fields: `cors: { origins: ['${origin}'] },`,
    problem: {
      code: 'SP2016',
      field: 'cors.origins[0]',
      message: `"${origin}" would let in pages of strangers`,
    } as const,
    at: `'${origin}'`,
  })),
  {
    rule: 'SP2016 an origin ends before the path (RT-4)',
    fields: `cors: { origins: ['https://App.example.com:443/'] },`,
    problem: { code: 'SP2016', field: 'cors.origins[0]', suggestion: 'write "https://app.example.com"' },
    at: `'https://App`,
  },
  ...[
    'x-user-id',
    'x-customer-id',
    'x-gateway-project',
    'x-trial-mode',
    'x-correlation-id',
    'x-request-id',
    'x-causation-id',
    'x-sallyport-target',
    'x-envoy-retry-on',
    'x-forwarded-for',
    'x-rbac-roles',
    'x-target-backend',
    'access-control-allow-origin',
    'strict-transport-security',
    'host',
    'authorization',
    'cookie',
  ].map((name) => ({
    rule: `SP2017 ${name} belongs to the gateway`,
    fields: `headers: { request: { '${name}': 'x' } },`,
    problem: { code: 'SP2017', field: `headers.request.${name}`, message: `${name} belongs to the gateway` } as const,
    at: `'${name}'`,
  })),
  {
    rule: 'SP2017 hop-by-hop headers are refused',
    fields: `headers: { response: { 'transfer-encoding': 'x' } },`,
    problem: { code: 'SP2017', field: 'headers.response.transfer-encoding', suggestion: 'remove the rule' },
    at: `'transfer-encoding'`,
  },
  {
    rule: 'SP2017 pseudo headers are refused',
    fields: `headers: { request: { ':path': '/admin' } },`,
    problem: {
      code: 'SP2017',
      field: 'headers.request[":path"]',
      message: '":path" is not a header name in lower case',
    },
    at: `':path'`,
  },
  {
    rule: 'SP2017 a header name is in lower case',
    route: `x: get('/x', { headers: { request: { 'X-Team': 'a' } } }),`,
    problem: { code: 'SP2017', route: 'x', field: 'headers.request.X-Team', suggestion: 'write "x-team"' },
    at: `'X-Team'`,
  },
  {
    rule: 'SP2018 operators of Envoy are refused in values',
    fields: `headers: { response: { 'x-team': '%REQ(authorization)%' } },`,
    problem: { code: 'SP2018', field: 'headers.response.x-team', suggestion: 'remove it' },
    at: `'%REQ`,
  },
  {
    rule: 'SP2018 control characters are refused in values',
    fields: String.raw`headers: { response: { 'x-team': 'a\r\nb: c' } },`,
    problem: {
      code: 'SP2018',
      field: 'headers.response.x-team',
      message: String.raw`"a\r\nb: c" is not a header value`,
    },
    at: String.raw`'a\r\nb`,
  },
  {
    rule: 'SP2019 a scope has an area and a right (ID-16)',
    route: `x: get('/x', { scopes: ['marketing'] }),`,
    problem: { code: 'SP2019', route: 'x', field: 'scopes[0]', message: '"marketing" is not a scope' },
    at: `'marketing'`,
  },
  {
    rule: 'SP2020 open() says why (ID-6)',
    fields: `target: 'plant', identity: open('public'),`,
    problem: { code: 'SP2020', field: 'identity.reason', suggestion: 'say who calls without a token' },
    at: `'public'`,
  },
  ...['http://plant:8000/x', 'plant', 'plant:0', 'plant:65536', '1.2.3:80', '::1:80', '[::1%lo]:80'].map((address) => ({
    rule: `SP2021 ${address} is not an upstream address`,
    fields: `upstreams: { plant: http('${address}'), sandbox: http('b:1') },`,
    problem: { code: 'SP2021', field: 'upstreams.plant.address', message: `"${address}" is not an address` } as const,
    at: `'${address}'`,
  })),
  {
    rule: 'SP2022 the upgrade page is an https: URL',
    fields: `upgradeUrl: 'javascript:alert(1)',`,
    problem: { code: 'SP2022', field: 'upgradeUrl', expected: 'an https: URL' },
    at: `'javascript`,
  },
]

describe('one broken field each', () => {
  const found = new Map<string, DefinitionProblem[]>()
  const sources = CASES.map(({ fields, route }, index) => definition(`g${index}`, fields, route))

  beforeAll(async () => {
    const files = Object.fromEntries(sources.map((source, index) => [`g${index}.ts`, source]))
    const loaded = await loadDefinitions(await folderOf(files))
    for (const problem of loaded.ok ? [] : loaded.problems) {
      const file = problem.file.replace(/^.*\//, '')
      found.set(file, [...(found.get(file) ?? []), problem])
    }
  })

  test.each(CASES.map((each, index) => ({ ...each, index })))('$rule', ({ index, problem, at }) => {
    const problems = found.get(`g${index}.ts`) ?? []
    expect(problems).toHaveLength(1)
    const [only] = problems
    expect(only).toMatchObject(problem)
    if (only === undefined) return
    expect(textAt(sources[index] ?? '', only).startsWith(at)).toBe(true)
    expect(only.route).toBe(problem.route)
    expect(formatProblem(only)).toContain(`.ts:${only.line}:${only.column}  error ${problem.code}  `)
  })
})

test('SP2002 a gateway says each field that is not optional, and a misspelt one is one mistake', async () => {
  const source = `export default { name: 'x', type: 'CP', prefix: '/x', identiy: {}, upstreams: {}, routes: {} }`
  const loaded = await loadDefinitions(await folderOf({ 'x.ts': source }))
  const problems = loaded.ok ? [] : loaded.problems.map(({ code, field }) => `${code} ${field}`)
  expect(problems.sort()).toEqual(['SP2001 identiy', 'SP2002 target', 'SP2006 routes'])
})
