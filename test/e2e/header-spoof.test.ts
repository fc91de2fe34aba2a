import { connect } from 'node:http2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadDefinitions } from '../../policies/load.ts'
import { type Echo, echo, type Gateway, startGateway } from '../support/gateway.ts'
import type { HeaderList } from '../support/http.ts'

let gateway: Gateway
let routes: { name: string; method: string; path: string }[]

beforeAll(async () => {
  gateway = await startGateway()
  const loaded = await loadDefinitions(gateway.definitions, { bindings: gateway.sallyport.bindings })
  if (!loaded.ok) throw new Error('the shipped definitions do not load')
  routes = loaded.definitions.gateways.flatMap(({ routes: all }) =>
    all.map(({ name, methods, path }) => ({
      name,
      method: methods[0] === '*' ? 'GET' : (methods[0] ?? 'GET'),
      path: path.replace(/\{[^}]+\}/g, '7').replace(/\/\*$/, '/x'),
    })),
  )
})
afterAll(() => gateway?.stop())

/** Beside what an upstream received: names that other proxies and frameworks believe. */
const FAMOUS = [
  'x-user-id', 'x-customer-id', 'x-user-email', 'x-user-roles', 'x-trial-mode', 'x-gateway-project', 'x-gateway-service', 'x-gateway-token-id', 'x-gateway-anything',
  'x-sallyport-target', 'x-sallyport-anything', 'x-target-backend', 'x-rbac-user-id', 'x-rbac-roles', 'x-rbac-role-level',
  'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-forwarded-uri', 'x-forwarded-prefix', 'x-forwarded-client-cert', 'forwarded', 'x-real-ip', 'true-client-ip',
  'x-envoy-original-path', 'x-envoy-external-address', 'x-envoy-internal', 'x-envoy-retry-on', 'x-envoy-max-retries', 'x-envoy-expected-rq-timeout-ms', 'x-envoy-decorator-operation', 'x-envoy-force-trace',
  'x-http-method', 'x-http-method-override', 'x-method-override', 'x-original-url', 'x-rewrite-url',
] // biome-ignore format: a list

/** What a client may say about itself: it reaches the upstream as the client's own word. */
const CLIENTS_OWN = new Set([
  'host',
  'accept',
  'user-agent',
  'content-type',
  'content-length',
  'connection',
  'transfer-encoding',
  'x-correlation-id',
  'traceparent',
  'tracestate',
  'accept-encoding',
  'te',
])
const SPOOF = 'spoofed-by-client'

const spoofable = (received: Echo) =>
  [...new Set([...received.headers.map(([name]) => name.toLowerCase()), ...FAMOUS])].filter(
    (name) => !CLIENTS_OWN.has(name),
  )

const spoofedIn = (received: Echo) =>
  [...received.headers, ...received.trailers].filter(
    ([name, value]) => value.includes(SPOOF) && name.toLowerCase() !== 'x-causation-id',
  )

const styles: Record<string, (names: readonly string[]) => HeaderList> = {
  'as they are': (names) => names.map((name) => [name, SPOOF]),
  'in upper case': (names) => names.map((name) => [name.toUpperCase(), SPOOF]),
  twice: (names) =>
    names.flatMap(
      (name) =>
        [
          [name, SPOOF],
          [name, `${SPOOF}-2`],
        ] as const,
    ),
  'nominated in Connection': (names) => [
    ['Connection', ['keep-alive', ...names].join(', ')],
    ...names.map((name) => [name, SPOOF] as const),
  ],
}

/** Envoy refuses to drop these when they are nominated in Connection: 400 before anything reads them. */
const REFUSED_IN_CONNECTION = new Set(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'])

test.each(Object.keys(styles))('ID-7 on every route, headers sent %s become nothing at the upstream', async (style) => {
  // Envoy allows 100 headers, and few names in Connection: the list goes in portions.
  const portion = style === 'nominated in Connection' ? 5 : 30
  for (const { name, method, path } of routes) {
    const plain = echo(await gateway.request(path, { method, as: 'admin' }))
    const names = spoofable(plain).filter((header) => portion === 30 || !REFUSED_IN_CONNECTION.has(header))
    for (let at = 0; at < names.length; at += portion) {
      const headers = styles[style]?.(names.slice(at, at + portion)) ?? []
      const received = echo(await gateway.request(path, { method, as: 'admin', headers }))
      expect({ route: name, spoofed: spoofedIn(received) }).toEqual({ route: name, spoofed: [] })
      const identity = (from: Echo) =>
        from.headers.filter(([key]) => /^x-(user|customer|trial|gateway|sallyport)/i.test(key)).sort()
      expect(identity(received).map(([key]) => key)).toEqual(identity(plain).map(([key]) => key))
      expect(received.upstream).toBe(plain.upstream)
      expect(received.method).toBe(method)
    }
  }
})

test.each([...REFUSED_IN_CONNECTION])('ID-7 a Connection header that nominates %s is refused', async (name) => {
  const headers: HeaderList = [
    ['Connection', `keep-alive, ${name}`],
    [name, SPOOF],
  ]
  expect((await gateway.request('/health', { headers })).status).toBe(400)
})

test('ID-7 headers with underscores are refused on every route', async () => {
  for (const { method, path } of routes) {
    for (const name of ['x_user_id', 'X_Forwarded_Proto', 'x_sallyport_target']) {
      expect((await gateway.request(path, { method, as: 'admin', headers: [[name, SPOOF]] })).status).toBe(400)
    }
  }
})

test('AZ-4 a client cannot choose its backend, on any route: without a chosen target a split route is 503', async () => {
  for (const { method, path } of routes) {
    const honest = echo(await gateway.request(path, { method, as: 'admin' }))
    const spoofed = echo(
      await gateway.request(path, { method, as: 'admin', headers: [['x-sallyport-target', 'sandbox']] }),
    )
    expect(spoofed.upstream).toBe(honest.upstream)
  }
})

test('ID-7 as HTTP/2 request trailers they become nothing either', async () => {
  const token = await gateway.token('admin')
  const session = connect(`http://127.0.0.1:${gateway.ports.http}`)
  try {
    for (const { name, path } of routes.filter(({ method }) => method === 'POST')) {
      const received = await withTrailers(session, path, token)
      expect({ route: name, trailers: received.trailers, spoofed: spoofedIn(received) }).toEqual({
        route: name,
        trailers: [],
        spoofed: [],
      })
    }
  } finally {
    session.close()
  }
})

function withTrailers(session: ReturnType<typeof connect>, path: string, token: string): Promise<Echo> {
  return new Promise((resolve, reject) => {
    const stream = session.request(
      { ':method': 'POST', ':path': path, authorization: `Bearer ${token}`, trailer: 'x-user-id' },
      { waitForTrailers: true } as never,
    )
    let body = ''
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'x-user-id': SPOOF, 'x-sallyport-target': SPOOF, authorization: SPOOF }),
    )
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      body += chunk
    })
    stream.once('error', reject)
    stream.once('end', () => resolve(JSON.parse(body) as Echo))
    stream.end('{}')
  })
}
