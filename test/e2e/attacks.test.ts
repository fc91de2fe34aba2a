import { createServer, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXT_AUTHZ_CLUSTER } from '../../envoy/edge.ts'
import { CLOSED_CLUSTER } from '../../xds-server/translate/names.ts'
import { authorization, isRecord, routesIn } from '../support/dumped-routes.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { http } from '../support/http.ts'
import { rawHttp1, rawHttp2 } from '../support/raw.ts'

let gateway: Gateway
let speaker: Http2Server
let token: string

beforeAll(async () => {
  speaker = createServer((request, response) => response.end(JSON.stringify({ scheme: request.scheme })))
  await new Promise<void>((resolve) => speaker.listen(0, '127.0.0.1', resolve))
  const { port } = speaker.address() as AddressInfo
  gateway = await startGateway({ workers: 1, edit: ({ write }) => write('speaker.ts', speakerDefinition(port)) })
  token = await gateway.token('paying')
})
afterAll(async () => {
  await gateway?.stop()
  speaker.close()
})

const speakerDefinition = (port: number) => `import { defineGateway, get, http, open } from '../define.ts'
export default defineGateway({
  name: 'speaker',
  type: 'central',
  identity: open('a test of what an HTTP/2 upstream is told'),
  upstreams: { speaker: http('127.0.0.1:${port}', { http2: true }) },
  target: 'speaker',
  routes: { scheme: get('/speaker/scheme') },
})
`

const CLOSED = '/api/cp/v1/billing'
const request = (line: string, ...headers: string[]) => [line, 'Host: x', ...headers, '', ''].join('\r\n')
const closing = (line: string, ...headers: string[]) => request(line, 'Connection: close', ...headers)
/** The pseudo headers of a GET. */
const asking = (path: string, scheme = 'http'): [string, string][] =>
  Object.entries({ ':method': 'GET', ':path': path, ':scheme': scheme, ':authority': 'x' })
/** The path that an upstream was asked for; undefined where none was. */
const askedPath = (text: string) => /"path":"([^"]*)"/.exec(text)?.[1]
const receivedNames = (text: string) =>
  [...text.matchAll(/\["([^"]+)","(?:[^"\\]|\\.)*"\]/g)].map(([, name]) => (name ?? '').toLowerCase())

describe.concurrent('facts/threats.md 1a a path leads where its policy is', () => {
  /** Each is another way to write the closed route, or something that an upstream could take for it. */
  const ways = [
    '/health/../api/cp/v1/billing', '/health/%2e%2e/api/cp/v1/billing', '/health/.%2E/api/cp/v1/billing', '/health\\..\\api/cp/v1/billing', '/api/cp/v1/health\\..\\billing',
    '//api/cp/v1/billing', '/api//cp/v1/billing', '/api/cp/v1/health/..;/billing', '/api/cp/v1/health;/../billing', '/api/cp/v1/./billing', '/api/cp/v1/%62illing',
    '/health/..%2fapi/cp/v1/billing', '/health/..%5capi/cp/v1/billing', '/health/..%252fapi/cp/v1/billing', '/api/cp/v1/billing#/../health', '/api/cp/v1/billing;x', '/api/cp/v1/billing%00', '/api/cp/v1/billing%20', '/api/cp/v1/billing%0a',
    '/api/cp/v1/billing/', '/api/cp/v1/Billing', '/api/cp/v1/billing\xff', '/api/cp/v1/billing?/../health', '/api/cp/v1/billing?x=/health', '/api/cp/v1/health/%c0%ae%c0%ae/billing',
  ] // biome-ignore format: a list

  test.each(ways)(
    '%j without a token reaches no upstream; with one, only as the path that was authorized',
    async (way) => {
      const line = `GET ${way} HTTP/1.1`
      const [stranger, caller] = await Promise.all([
        rawHttp1(gateway.ports.http, closing(line)),
        rawHttp1(gateway.ports.http, closing(line, `Authorization: Bearer ${token}`)),
      ])
      expect([400, 401, 404]).toContain(stranger.statuses[0])
      expect(askedPath(stranger.text)).toBeUndefined()
      expect([undefined, CLOSED]).toContain(askedPath(caller.text)?.replace(/\?.*/, ''))
    },
  )

  test.each([
    '/api/cp/v1/agents/a;b', '/api/cp/v1/agents/..%3b', '/api/cp/v1/agents/%2e%2e%3b', '/api/cp/v1/agents/a%2fb', '/api/cp/v1/agents/a%5cb', '/api/cp/v1/agents/a%00', '/api/cp/v1/agents/a%0d%0ab', '/api/cp/v1/agents/a%20b',
    '/api/cp/v1/agents/%252e%252e', '/api/cp/v1/agents/%25', '/api/cp/v1/agents/a%3fb', '/api/cp/v1/agents/a%23b', '/api/cp/v1/agents/%c0%af', '/api/cp/v1/agents/%ff', '/api/cp/v1/agents/a\xffb',
  ])('%j as the id of a route is 400 with a good token', async (path) => {
    const answer = await rawHttp1(gateway.ports.http, closing(`GET ${path} HTTP/1.1`, `Authorization: Bearer ${token}`))
    expect(answer.statuses).toEqual([400])
  }) // biome-ignore format: a list
})

describe.concurrent('facts/threats.md 1c a connection holds the requests that were authorized and no other', () => {
  const SMUGGLED = 'GET /health?smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
  const post = (headers: string, body: string) =>
    `POST /api/cp/v1/agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n${headers}\r\n${body}`

  test.each([
    ['CL and TE', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'],
    ['TE and CL', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'],
    ['a space before the colon', 'Transfer-Encoding : chunked\r\n', '0\r\n\r\n'],
    ['a vertical tab', 'Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n'],
    ['an unknown coding', 'Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'],
    ['two codings', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', '0\r\n\r\n'],
    ['chunked twice', 'Transfer-Encoding: chunked, chunked\r\n', '0\r\n\r\n'],
    ['gzip', 'Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'],
    ['two lengths', 'Content-Length: 0\r\nContent-Length: 5\r\n', 'hello'],
    ['a list of lengths', 'Content-Length: 5, 5\r\n', 'hello'],
    ['a signed length', 'Content-Length: +5\r\n', 'hello'],
    ['a huge length', 'Content-Length: 99999999999999999999\r\n', 'hello'],
    ['a NUL in a value', 'X-A: a\0b\r\nContent-Length: 0\r\n', ''],
    ['a chunk size with an underscore', 'Transfer-Encoding: chunked\r\n', '0_5\r\nhello\r\n0\r\n\r\n'],
    ['a chunk size in C', 'Transfer-Encoding: chunked\r\n', '0x5\r\nhello\r\n0\r\n\r\n'],
    ['bare line feeds between chunks', 'Transfer-Encoding: chunked\r\n', '5\nhello\n0\n\n'],
    ['a line feed in a chunk extension', 'Transfer-Encoding: chunked\r\n', '5;a\nhello\r\n0\r\n\r\n'],
    ['data past its chunk', 'Transfer-Encoding: chunked\r\n', '5\r\nhelloXX0\r\n\r\n'],
  ])('%s: 400, and the connection ends', async (_name, headers, body) => {
    const answer = await rawHttp1(gateway.ports.http, post(headers, body) + SMUGGLED)
    expect(answer.statuses).toEqual([400])
    expect(answer.text).not.toContain('smuggled')
  })

  test.each([
    ['a bare carriage return in a value', 'X-A: a\rX-User-Id: spoof\r\n'],
    ['a folded line', 'X-A: a\r\n X-User-Id: spoof\r\n'],
    ['a bare line feed', 'X-A: a\nX-User-Id: spoof\r\n'],
  ])('%s makes no header at the upstream', async (_name, header) => {
    const { text } = await rawHttp1(
      gateway.ports.http,
      `GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${header}\r\n`,
    )
    expect(receivedNames(text)).not.toContain('x-user-id')
  })

  test.each([
    ['websocket', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13'],
    ['foo', 'X-A: a'],
    ['h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'],
  ])('an upgrade to %s is never made, on an open route or with a token', async (protocol, more) => {
    for (const line of ['GET /health HTTP/1.1', `GET ${CLOSED} HTTP/1.1`]) {
      const upgrade = ['Connection: Upgrade, HTTP2-Settings', `Upgrade: ${protocol}`, more]
      const answer = await rawHttp1(gateway.ports.http, request(line, `Authorization: Bearer ${token}`, ...upgrade))
      expect([200, 403]).toContain(answer.statuses[0])
      expect(receivedNames(answer.text)).not.toContain('upgrade')
    }
  })

  test.each(['CONNECT x:80', 'CONNECT /health', 'TRACE /health', 'PROPFIND /health', 'get /health', 'OPTIONS *', 'GET ftp://x/health', 'GET https://x/health'])(
    '%s reaches no upstream',
    async (line) => {
      const answer = await rawHttp1(gateway.ports.http, closing(`${line} HTTP/1.1`, `Authorization: Bearer ${token}`))
      expect([400, 403, 404, 405]).toContain(answer.statuses[0])
      expect(askedPath(answer.text)).toBeUndefined()
    },
  ) // biome-ignore format: a list

  test.each(['a, b', 'x@y', 'x:80:90', 'x;y', '[fe80::1%25eth0]', 'x"y', '', 'a'.repeat(300)])(
    'Host %j is 400',
    async (host) => {
      const answer = await rawHttp1(
        gateway.ports.http,
        `GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      )
      expect(answer.statuses).toEqual([400])
    },
  )
})

describe.concurrent('facts/threats.md 1b the upstream hears nothing that a client made up', () => {
  test('ID-7 names of other proxies’ making, and names that only resemble ours, do not arrive', async () => {
    const sent = [
      'x.user.id', 'x~user~id', "x'user'id", 'x-user.id', 'x-original-uri', 'x-original-method', 'x-auth-request-user', 'x-webauth-user', 'x-amzn-oidc-data', 'x-ms-client-principal', 'x-goog-iap-jwt-assertion', 'cf-access-jwt-assertion',
      'ssl-client-verify', 'x-ssl-client-cert', 'x-client-cert', 'client-ip', 'x-forwarded', 'x-forwarded-by', 'x-forwarded-request-uri', 'proxy-authorization', 'authorization', 'cookie', 'x-api-key',
    ] // biome-ignore format: a list
    const answer = await gateway.request('/health', {
      headers: [...sent.map((name) => [name, 'spoof'] as const), ['x-own', 'kept']],
    })
    const received = receivedNames(answer.text)
    expect(received).toContain('x-own')
    expect(sent.filter((name) => received.includes(name))).toEqual([])
  })

  test.each(['http', 'https', 'javascript', 'hTTp'])(
    'an HTTP/2 client’s :scheme %s is not what an HTTP/2 upstream is told',
    async (scheme) => {
      const answer = await rawHttp2(gateway.ports.http, asking('/speaker/scheme', scheme))
      expect(answer).toBe('{"scheme":"http"}')
    },
  )

  const asked = asking('/health')
  test.each<[string, [string, string][]]>([
    ['a second :path', [...asked, [':path', CLOSED]]],
    ['a second :authority', [...asked, [':authority', 'y']]],
    ['a second :method', [...asked, [':method', 'DELETE']]],
    ['a pseudo header after others', [...asked.slice(0, 3), ['a', 'b'], [':authority', 'x']]],
    ['an unknown pseudo header', [...asked, [':foo', 'x']]],
    ['upper case', [...asked, ['X-User-Id', 'a']]],
    ['an underscore', [...asked, ['x_user_id', 'a']]],
    ['a line break in a name', [...asked, ['x\r\nx-user-id', 'a']]],
    ['a line break in a value', [...asked, ['a', 'b\r\nx-user-id: c']]],
    ['a line break in the path', [[':method', 'GET'], [':path', '/health HTTP/1.1\r\nx-user-id: a'], ...asked.slice(2)]],
    ['a request in the method', [[':method', 'GET /x HTTP/1.1\r\nA: b'], ...asked.slice(1)]],
    ['a scheme with a host', [...asked.slice(0, 2), [':scheme', 'http://evil/?'], [':authority', 'x']]],
    ['connection', [...asked, ['connection', 'x-user-id']]],
    ['transfer-encoding', [...asked, ['transfer-encoding', 'chunked']]],
    ['upgrade', [...asked, ['upgrade', 'h2c']]],
    ['extended CONNECT', [[':method', 'CONNECT'], ...asked.slice(1), [':protocol', 'websocket']]],
    ['two lengths', [...asked, ['content-length', '0'], ['content-length', '1']]],
    ['two Authorization', [[':method', 'GET'], [':path', CLOSED], ...asked.slice(2), ['authorization', 'Bearer a'], ['authorization', 'Bearer b']]],
  ])('HTTP/2 with %s reaches no upstream', async (_name, fields) => {
    expect(askedPath(await rawHttp2(gateway.ports.http, fields))).toBeUndefined()
  }) // biome-ignore format: a table
})

describe.concurrent('what the edge itself answers', () => {
  test.each(['', 'Origin:', 'Origin: null', 'Origin: https://portal.waooaw.com.evil.com', 'Origin: https://evil-portal.waooaw.com', 'Origin: https://portal.waooaw.com\r\nOrigin: https://evil.com'])(
    'RT-4 a preflight with %j lets no page in, and nothing behind it is asked or alarmed',
    async (origin) => {
      const preflight = ['Access-Control-Request-Method: GET', ...(origin === '' ? [] : [origin])]
      const answer = await rawHttp1(gateway.ports.http, closing('OPTIONS /api/cp/v1/agents HTTP/1.1', ...preflight))
      expect([200, 405]).toContain(answer.statuses[0])
      expect(answer.text).not.toMatch(/access-control-allow-origin/i)
    },
  ) // biome-ignore format: a list

  test.each(['/quitquitquit', '/logging?level=trace', '/healthcheck/fail', '/drain_listeners', '/reset_counters', '/runtime_modify?a=b', '/ready/../quitquitquit', '//quitquitquit', '/stats/recentlookups/enable', '/reopen_logs?a=b', '/reopen_logs/../quitquitquit', '/'])(
    'Envoy’s admin refuses what a page in a browser could send it: %s',
    async (path) => {
      const page = [['Host', 'evil.example'], ['Origin', 'https://evil.example']] as const
      const { status } = await http({ port: gateway.ports.admin, method: 'POST', path, headers: page })
      expect(status).toBe(403)
      expect(await gateway.admin('/ready')).toBe('LIVE\n')
    },
  ) // biome-ignore format: a list

  test('secrets are in no log, no status and no dump', async () => {
    await gateway.request(CLOSED, { headers: [['Authorization', `Bearer ${token}`]] })
    await gateway.request('/nothing', { headers: [['Authorization', `Bearer ${token}x`]] })
    const logs = await Promise.all(
      ['envoy', 'ext-authz', 'xds-server', 'issuer', 'plant'].map((part) => gateway.logOf(part).catch(() => '')),
    )
    const status = await http({ port: gateway.ports.status, path: '/status' })
    const told = [...logs, status.text, await gateway.admin('/config_dump?include_eds')].join('\n')
    expect(told).toContain('[redacted]')
    expect(told).not.toMatch(/BEGIN [A-Z ]*PRIVATE KEY/)
    expect(told).not.toContain(token.split('.')[2])
  })

  test('no route of the running Envoy reaches an upstream unchecked, upgraded or redirected inside', async () => {
    const routes = routesIn(JSON.parse(await gateway.admin('/config_dump')))
    expect(routes.length).toBeGreaterThan(50)
    const unchecked = routes.filter((route) => !('check_settings' in authorization(route)))
    expect(unchecked.every((route) => authorization(route)['disabled'] === true)).toBe(true)
    const reached = unchecked.map((route) => (isRecord(route['route']) ? route['route']['cluster'] : undefined))
    expect([...new Set(reached)].sort()).toEqual([CLOSED_CLUSTER, undefined])
    const text = JSON.stringify(routes)
    expect(text).not.toMatch(/upgrade_configs|internal_redirect_policy|cluster_header/)
    expect(text).not.toContain(`"${EXT_AUTHZ_CLUSTER}"`)
  })
})
