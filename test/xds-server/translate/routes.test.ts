import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CompiledCors } from '../../../policies/compile.ts'
import { comparePaths, matchPath, sameShape } from '../../../policies/precedence.ts'
import type { VirtualHost } from '../../../protos/gen/envoy/config/route/v3/VirtualHost.ts'
import { routeConfiguration } from '../../../xds-server/translate/routes.ts'
import { gateway, route } from './compiled.ts'
import { envoyTakes, listsOf } from './envoy-match.ts'

const BASE = 'https://example.com/errors/'

/** The routes of a virtual host so small that it has one list. */
const routesOf = (host: VirtualHost = {}) => listsOf(host).get('/') ?? []

const CORS: CompiledCors = {
  origins: ['https://app.example.com'],
  methods: ['GET'],
  headers: ['authorization'],
  exposeHeaders: [],
  credentials: true,
  maxAgeSeconds: 600,
}

describe('precedence', () => {
  const segment = fc.constantFrom('a', 'b', '{x}')
  const pattern = fc
    .tuple(fc.array(segment, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([segments, open]) => `/${segments.join('/')}${open ? '/*' : ''}`)
  const path = fc
    .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 5 })
    .map((segments) => `/${segments.join('/')}`)

  test('the first route that Envoy matches is the most specific of the definition', () => {
    fc.assert(
      fc.property(fc.uniqueArray(pattern, { maxLength: 12, comparator: sameShape }), path, (patterns, asked) => {
        const configuration = routeConfiguration('public', [gateway(patterns.map((each) => route(each)))], BASE)
        const best = patterns.filter((each) => matchPath(each, asked)).sort(comparePaths)[0]
        const taken = envoyTakes(configuration, { method: 'GET', path: asked })
        expect(taken?.name).toBe(best === undefined ? undefined : `shop/read ${best}`)
      }),
      { numRuns: 500 },
    )
  })

  test('every path with a route answers other methods with 405, and a path without one has no route', () => {
    fc.assert(
      fc.property(fc.uniqueArray(pattern, { maxLength: 8, comparator: sameShape }), path, (patterns, asked) => {
        const configuration = routeConfiguration('public', [gateway(patterns.map((each) => route(each)))], BASE)
        const taken = envoyTakes(configuration, { method: 'DELETE', path: asked })
        const known = patterns.some((each) => matchPath(each, asked))
        expect(taken?.direct_response?.status).toBe(known ? 405 : undefined)
      }),
    )
  })
})

describe('methods', () => {
  const routes = [
    route('/agents/{id}', { name: 'show' }),
    route('/agents/{id}', { name: 'rest', methods: ['*'] }),
    route('/agents', { name: 'add', methods: ['POST'] }),
  ]
  const configuration = routeConfiguration('public', [gateway(routes)], BASE)
  const takes = (method: string, path: string) => envoyTakes(configuration, { method, path })?.name

  test('GET serves HEAD, and a named method wins over a route for all', () => {
    expect(takes('GET', '/agents/1')).toBe('shop/show')
    expect(takes('HEAD', '/agents/1')).toBe('shop/show')
    expect(takes('DELETE', '/agents/1')).toBe('shop/rest')
  })

  test.each(['TRACE', 'CONNECT', 'OPTIONS', 'PROPFIND', 'get'])(
    '%s is 405 even where a route takes all methods',
    (method) => {
      expect(takes(method, '/agents/1')).toBe('method-not-allowed')
    },
  )

  test('405 names the methods that would work', () => {
    const refused = envoyTakes(configuration, { method: 'GET', path: '/agents' })
    expect(refused?.response_headers_to_add?.[0]?.header).toEqual({ key: 'allow', value: 'POST, OPTIONS' })
  })
})

describe('hosts', () => {
  const everywhere = gateway([route('/health', { name: 'health' })], { name: 'central' })
  const wild = gateway([route('/wild', { name: 'wild' })], { name: 'wild', hosts: ['*.example.com'] })
  const exact = gateway([route('/api', { name: 'api' })], {
    name: 'api',
    hosts: ['api.example.com', 'api.example.org'],
  })
  const configuration = routeConfiguration('public', [everywhere, wild, exact], BASE)
  const takes = (host: string, path: string) => envoyTakes(configuration, { host, method: 'GET', path })?.name

  test('a gateway answers on all its hosts, also where another has a more specific name', () => {
    expect(takes('api.example.com', '/api')).toBe('api/api')
    expect(takes('api.example.com', '/wild')).toBe('wild/wild')
    expect(takes('api.example.com', '/health')).toBe('central/health')
    expect(takes('x.example.com', '/wild')).toBe('wild/wild')
    expect(takes('elsewhere.test', '/health')).toBe('central/health')
  })

  test('a gateway answers on no other host', () => {
    expect(takes('x.example.com', '/api')).toBeUndefined()
    expect(takes('api.example.org', '/wild')).toBeUndefined()
    expect(takes('example.com', '/wild')).toBeUndefined()
  })

  test('no two virtual hosts share a domain', () => {
    const domains = (configuration.virtual_hosts ?? []).flatMap((host) => host.domains ?? [])
    expect(domains.toSorted()).toEqual(['*', '*.example.com', 'api.example.com', 'api.example.org'])
  })
})

describe('RT-4 preflights', () => {
  const open = gateway([route('/things', { name: 'list' })], { name: 'open', cors: CORS })
  const shut = gateway([route('/things', { name: 'add', methods: ['POST'] })], { name: 'shut' })
  const configuration = routeConfiguration('public', [open, shut], BASE)
  const preflight = (method: string) =>
    envoyTakes(configuration, {
      method: 'OPTIONS',
      path: '/things',
      headers: { origin: 'https://app.example.com', 'access-control-request-method': method },
    })?.name

  test('the gateway of the asked method answers, if it has origins', () => {
    expect(preflight('GET')).toBe('open/preflight')
    expect(preflight('POST')).toBe('method-not-allowed')
  })

  test('OPTIONS that is no preflight is 405', () => {
    expect(envoyTakes(configuration, { method: 'OPTIONS', path: '/things' })?.direct_response?.status).toBe(405)
  })
})

describe('AZ-4 split targets', () => {
  const configuration = routeConfiguration('public', [gateway([route('/tasks', { split: true })])], BASE)
  const to = (target?: string) =>
    envoyTakes(configuration, {
      method: 'GET',
      path: '/tasks',
      ...(target !== undefined && { headers: { 'x-sallyport-target': target } }),
    })?.route?.cluster

  test('the target header chooses; without it, or with another value, the route is closed', () => {
    expect(to('production')).toBe('shop/plant')
    expect(to('sandbox')).toBe('shop/sandbox')
    expect(to()).toBe('closed')
    expect(to('plant')).toBe('closed')
    expect(to('production,sandbox')).toBe('closed')
  })

  test('credentials never reach the sandbox, even where its upstream would take them', () => {
    const generous = gateway([route('/tasks', { split: true })])
    const upstreams = generous.upstreams.map((each) => ({ ...each, forwardCredentials: true }))
    const [host] = routeConfiguration('public', [{ ...generous, upstreams }], BASE).virtual_hosts ?? []
    const removed = routesOf(host).map((each) => [each.route?.cluster, each.request_headers_to_remove ?? []])
    expect(removed.slice(0, 2)).toEqual([
      ['shop/plant', []],
      ['shop/sandbox', ['authorization', 'cookie', 'x-api-key', 'proxy-authorization']],
    ])
  })
})

test('a stripped prefix is cut at a segment, and dots in it are dots', () => {
  const stripped = route('/app/v1.0/*', { methods: ['*'], stripPrefix: '/app/v1.0' })
  const [host] = routeConfiguration('public', [gateway([stripped])], BASE).virtual_hosts ?? []
  const rewrite = routesOf(host)[0]?.route?.regex_rewrite
  const upstreamPath = (path: string) =>
    path.replace(new RegExp(rewrite?.pattern?.regex ?? ''), rewrite?.substitution ?? '')
  expect(upstreamPath('/app/v1.0/a/b')).toBe('/a/b')
  expect(upstreamPath('/app/v1.0')).toBe('/')
  expect(upstreamPath('/app/v1x0/a')).toBe('/app/v1x0/a')
})
