import { afterAll, beforeAll, expect, test } from 'vitest'
import { comparePaths, matchPath } from '../../../policies/precedence.ts'
import { type Gateway, startGateway } from '../../support/gateway.ts'
import { until } from '../../support/until.ts'

/** A definition's route with its full path; it answers by its name in `x-route`. */
interface Known {
  readonly gateway: string
  readonly name: string
  readonly method: 'get' | 'post'
  readonly path: string
}

const NOUNS = ['agent', 'agents', 'agent-keys', 'a', 'audit', 'orders', 'order.lines', 'plants', 'sites', 'tasks']
const BELOW = ['', '/search', '/{id}', '/{id}/parts', '/{id}/parts/{part}']

/** Gateways whose prefixes begin each other, and one without prefix whose templates and `*` reach into theirs. */
const KNOWN: readonly Known[] = [
  ...['/look', '/lookup', '/look/up', '/lookup-b/v1'].flatMap((prefix, index) =>
    NOUNS.flatMap((noun) => BELOW.map((below) => known(`g${index}`, `${prefix}/${noun}${below}`))),
  ),
  known('g0', '/look/agents', 'post'),
  known('g1', '/lookup/tasks/*'),
  known('g2', '/look/up/{noun}/{id}/history'),
  known('g3', '/lookup-b/v1/{noun}/export', 'post'),
  known('every', '/{area}/agents/about'),
  known('every', '/{area}/{noun}/a/*'),
  known('every', '/{area}/{noun}/search', 'post'),
  known('every', '/look'),
  known('every', '/lookup/*'),
]

function known(gateway: string, path: string, method: Known['method'] = 'get'): Known {
  return { gateway, name: `${method} ${path.replace(/[^a-z0-9]+/gi, ' ').trim()}`, method, path }
}

/** The definitions of a gateway, whose paths are written in full. */
function definition(name: string): string {
  const rows = KNOWN.filter(({ gateway }) => gateway === name).map(
    ({ name: route, method, path }) =>
      `    '${route}': ${method}('${path}', { headers: { response: { 'x-route': '${route}' } } }),\n`,
  )
  return `import { defineGateway, get, http, open, post } from '../define.ts'

export default defineGateway({
  name: '${name}',
  type: 'project',
  identity: open('a test of route lookup'),
  upstreams: { plant: http('plant:8000') },
  target: 'plant',
  routes: {
    'about ${name}': get('/about-${name}'),
    'add about ${name}': post('/about-${name}'),
${rows.join('')}  },
})
`
}

/** Paths that each route matches, and their neighbours by a character or a segment. */
const PATHS = [
  ...new Set(
    KNOWN.flatMap(({ path }) => {
      const filled = path.replace('/*', '/x/y').replaceAll(/\{\w+\}/g, 'agents')
      const other = path.replace('/*', '').replaceAll(/\{\w+\}/g, 'a')
      return [filled, other, `${other}/`, `${filled}s`, `${filled}/a`, filled.slice(0, -1), filled.replace(/\w+$/, 'a')]
    }),
  ),
].filter((path) => !path.endsWith('-'))
const QUERIES = ['', '?', '?q=/look/up/agents', '?/tasks/a']

/** What policies/precedence.ts says of a request: a status, and the name of the route. */
function reference(method: string, path: string): string {
  const best = KNOWN.filter((each) => matchPath(each.path, path)).sort((a, b) => comparePaths(a.path, b.path))[0]
  if (best === undefined) return '404'
  const shape = KNOWN.filter((each) => comparePaths(each.path, best.path) === 0)
  const taken = shape.find((each) => each.method.toUpperCase() === method)
  return taken === undefined ? '405' : `200 ${taken.name}`
}

let gateway: Gateway

beforeAll(async () => {
  gateway = await startGateway({
    edit: async ({ write }) => {
      for (const name of new Set(KNOWN.map((each) => each.gateway))) await write(`${name}.ts`, definition(name))
    },
  })
})
afterAll(() => gateway?.stop())

async function answered(method: string, path: string): Promise<string> {
  const { status, headers } = await gateway.request(path, { method })
  return status === 200 ? `200 ${headers['x-route']}` : String(status)
}

test('Envoy answers every route and its neighbours as the definitions’ precedence says', async () => {
  expect(KNOWN.length).toBeGreaterThan(200)
  await until(
    'the routes to be served',
    async () => (await answered('GET', '/about-every')).startsWith('200') || undefined,
  )
  const asked = PATHS.flatMap((path, index) => {
    const query = QUERIES[index % QUERIES.length] ?? ''
    return ['GET', 'POST'].map((method) => ({ method, path, query }))
  })
  const seen = new Map<string, string>()
  while (asked.length > 0) {
    const some = asked.splice(0, 16)
    const answers = await Promise.all(some.map(({ method, path, query }) => answered(method, path + query)))
    for (const [index, { method, path }] of some.entries()) seen.set(`${method} ${path}`, answers[index] ?? '')
  }
  const wanted = [...seen.keys()].map((request) => {
    const [method = '', path = ''] = request.split(' ')
    return [request, reference(method, path)]
  })
  expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(wanted))
  const kinds = new Set([...seen.values()].map((each) => each.slice(0, 3)))
  expect([...kinds].sort()).toEqual(['200', '404', '405'])
})

test('the lookup was by a path tree, with many prefixes', async () => {
  const dump = await gateway.admin('/config_dump?resource=dynamic_route_configs')
  expect(dump).toContain('prefix_match_map')
  expect(dump.split('envoy.config.route.v3.RouteList').length).toBeGreaterThan(30)
})
