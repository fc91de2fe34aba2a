import { readFile } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ACCESS_LOG_FORMAT, hasOwnIds } from '../../envoy/access-log.ts'
import type { CheckRequest__Output } from '../../protos/gen/envoy/service/auth/v3/CheckRequest.ts'
import type { CheckResponse } from '../../protos/gen/envoy/service/auth/v3/CheckResponse.ts'
import { struct } from '../../xds-server/translate/values.ts'
import { type HttpRequest, http } from '../support/http.ts'
import { type LogLine, type LoneEnvoy, lineOf, startLoneEnvoy } from '../support/lone-envoy.ts'
import { rawHttp1, rawHttp2 } from '../support/raw.ts'
import { until } from '../support/until.ts'
import { gateway, listener, route, upstream } from '../xds-server/translate/compiled.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const CORS = {
  origins: ['https://shop.example'],
  methods: ['GET'],
  headers: ['authorization'],
  exposeHeaders: [],
  credentials: false,
  maxAgeSeconds: 60,
}

let envoy: LoneEnvoy
let decisions = 0

/** Refuses where the API key says so; names every decision as a worker does. */
async function decide(check: CheckRequest__Output): Promise<CheckResponse> {
  decisions += 1
  const dynamic_metadata = struct({ event: `node.boot.${decisions}` })
  const key = headersOf(check).get('x-api-key')
  if (key === 'wait') await pause(1_000)
  const refused = key === 'none'
  const denied = { status: { code: 'Unauthorized' as const }, body: '{}' }
  return refused
    ? { status: { code: 7 }, denied_response: denied, dynamic_metadata }
    : { status: { code: 0 }, ok_response: {}, dynamic_metadata }
}

function headersOf(check: CheckRequest__Output | undefined): Map<string, string> {
  const headers = check?.attributes?.request?.http?.header_map?.headers ?? []
  return new Map(headers.map(({ key, raw_value }) => [key ?? '', raw_value?.toString('latin1') ?? '']))
}

beforeAll(async () => {
  envoy = await startLoneEnvoy((at) => {
    const upstreams = [upstream('plant', { port: at.upstream }), upstream('gone', { port: 1 })]
    const secure = { name: 'secure', port: at.plain, redirectToHttps: true, certificate: at.certificate }
    return {
      listeners: [
        listener({ port: at.http }),
        listener({ ...secure, tls: { port: at.tls, certificate: 'edge', minimumVersion: 'TLSv1.2' } }),
      ],
      gateways: [
        gateway(
          [
            route('/items/{id}', { name: 'show item' }),
            route('/slow', { name: 'slow', timeoutMs: 1_000 }),
            route('/gone', { name: 'gone', target: { paid: 'gone', trial: 'gone' } }),
          ],
          { upstreams, cors: CORS },
        ),
        gateway([route('/secure', { name: 'secure' })], { name: 'bank', listener: 'secure', upstreams }),
      ],
    }
  }, decide)
})
afterAll(() => envoy?.stop())

let asked = 0

/** The log line of a request, and what it was answered. */
async function logged(
  request: Omit<HttpRequest, 'port'> & { port?: number },
): Promise<{ status: number; line: LogLine }> {
  asked += 1
  const id = `correlation-${asked}`
  const headers = [...(request.headers ?? []), ['X-Correlation-ID', id] as const]
  const { status } = await http({ port: envoy.places.http, ...request, headers })
  return { status, line: await lineOf(envoy, id) }
}

/** The lines that were written since, at least one. */
async function linesAfter(act: () => Promise<unknown>): Promise<LogLine[]> {
  const before = (await envoy.logLines()).length
  await act()
  return until('a log line', async () => {
    const lines = (await envoy.logLines()).slice(before)
    return lines.length > 0 && lines
  })
}

describe('AU-1 a request that an upstream answers', () => {
  test('is logged with who, what, whence, how long and what came back, and with the decision’s event', async () => {
    const { line } = await logged({ path: '/items/7', headers: [['X-Request-ID', 'cause-1']] })
    expect(line).toEqual({
      line: expect.stringMatching(UUID),
      request_id: expect.stringMatching(UUID),
      at: expect.stringMatching(/^\d{10}\.\d{6}$/),
      correlation_id: expect.stringMatching(/^correlation-/),
      causation_id: 'cause-1',
      route: 'shop/show item',
      method: 'GET',
      path: '/items/7',
      authority: 'plant',
      client_address: '127.0.0.1',
      peer_address: '127.0.0.1',
      status: 200,
      details: 'via_upstream',
      flags: '-',
      bytes_received: 0,
      bytes_sent: expect.any(Number),
      total_us: expect.any(Number),
      duration_ms: expect.any(Number),
      upstream_us: expect.any(Number),
      upstream_host: `127.0.0.1:${envoy.places.upstream}`,
      upstream_attempts: 1,
      content_type: 'application/json',
      retry_after: null,
      actual_cost: null,
      event: `node.boot.${decisions}`,
      audit: null,
    })
  })

  test('has one time and one request id in the Check and in the log: the key that joins them', async () => {
    const { line } = await logged({ path: '/items/8' })
    const check = envoy.checks.at(-1)
    expect(line['request_id']).toBe(headersOf(check).get('x-request-id'))
    const { seconds, nanos = 0 } = check?.attributes?.request?.time ?? {}
    expect(Number(nanos) % 1_000).toBe(0)
    expect(line['at']).toBe(`${seconds}.${String(Number(nanos) / 1_000).padStart(6, '0')}`)
  })

  test('over HTTP/2 and over TLS too', async () => {
    const session = connectHttp2(`http://127.0.0.1:${envoy.places.http}`)
    const stream = session.request({ ':path': '/items/9?secret=1', 'x-correlation-id': 'over-http2' })
    stream.resume()
    expect(await lineOf(envoy, 'over-http2')).toMatchObject({ path: '/items/9', status: 200 })
    session.close()
    const ca = await readFile(envoy.authority)
    const secure = { host: '127.0.0.1', port: envoy.places.tls, path: '/secure', ca }
    httpsRequest({ ...secure, headers: { 'x-correlation-id': 'over-tls' } }, (response) => response.resume()).end()
    expect(await lineOf(envoy, 'over-tls')).toMatchObject({ route: 'bank/secure', status: 200 })
  })
})

describe('AU-1 a request that no upstream answers', () => {
  const NOBODY = { upstream_host: null, upstream_attempts: 0, upstream_us: null }

  test('one that is refused names the decision', async () => {
    const { line } = await logged({ path: '/items/7', headers: [['X-Api-Key', 'none']] })
    const refused = { status: 401, details: 'ext_authz_denied', flags: 'UAEX', event: `node.boot.${decisions}` }
    expect(line).toMatchObject({ ...NOBODY, ...refused, authority: `127.0.0.1:${envoy.places.http}` })
  })

  test.each([
    [
      '404',
      { path: '/nothing?a=b' },
      { status: 404, details: 'route_not_found', flags: 'NR', route: null, path: '/nothing' },
    ],
    [
      '405',
      { path: '/items/7', method: 'DELETE' },
      { status: 405, details: 'direct_response', route: 'method-not-allowed' },
    ],
    [
      'a preflight',
      {
        path: '/items/7',
        method: 'OPTIONS',
        headers: [
          ['Origin', 'https://shop.example'],
          ['Access-Control-Request-Method', 'GET'],
        ] as const,
      },
      { status: 200, details: 'cors_response', route: 'shop/preflight' },
    ],
    [
      'a declared body over the limit',
      { path: '/items/7', headers: [['Content-Length', '10485761']] as const },
      { status: 413, details: 'request_payload_too_large' },
    ],
  ])('%s, with ids and without a decision', async (_what, request, expected) => {
    const before = decisions
    const { line } = await logged(request)
    expect(line).toMatchObject({ ...NOBODY, ...expected, event: null, request_id: expect.stringMatching(UUID) })
    expect(hasOwnIds(line)).toBe(true)
    expect(decisions).toBe(before)
  })

  test('the redirect to HTTPS, without the query that it repeats to the client', async () => {
    const { line } = await logged({ port: envoy.places.plain, path: '/secure?token=x' })
    expect(line).toMatchObject({ ...NOBODY, status: 308, route: 'redirect', path: '/secure', event: null })
  })

  test.each([
    [
      '400 of the codec',
      'GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n',
      { status: 400, details: 'http1.codec_error' },
    ],
    ['426', 'GET / HTTP/1.0\r\nHost: x\r\n\r\n', { status: 426, details: 'low_version' }],
    [
      '431',
      `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(70_000)}\r\n\r\n`,
      { status: 431, details: 'http1.headers_too_large' },
    ],
  ])('%s: one line with an id of its own, and nothing of what could not be read', async (_what, bytes, expected) => {
    const lines = await linesAfter(() => rawHttp1(envoy.places.http, bytes))
    expect(lines).toMatchObject([{ ...NOBODY, ...expected, request_id: null, path: null, event: null }])
    expect(lines[0]?.['line']).toMatch(UUID)
  })

  test('HTTP/2 without a path: status 0, for the stream was reset', async () => {
    const lines = await linesAfter(() =>
      rawHttp2(envoy.places.http, [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'x'],
      ]),
    )
    expect(lines).toMatchObject([{ status: 0, details: 'http2.violation.of.messaging.rule', request_id: null }])
  })

  test('a client that goes away: status 0 and no exact time, but the milliseconds, and whom it left waiting', async () => {
    const headers = [['X-Correlation-ID', 'gone-away']] as const
    const aborted = http({ port: envoy.places.http, path: '/slow?ms=3000', headers, timeout: 200 })
    await expect(aborted).rejects.toThrow('no answer in 200 ms')
    const line = await lineOf(envoy, 'gone-away')
    expect(line).toMatchObject({ status: 0, flags: 'DC', details: 'downstream_remote_disconnect', total_us: null })
    expect(line).toMatchObject({ upstream_host: `127.0.0.1:${envoy.places.upstream}`, event: `node.boot.${decisions}` })
    expect(line['duration_ms']).toBeGreaterThan(100)
  })

  test('a client that goes away during the Check: the line does not name the decision, the request id joins them', async () => {
    const headers = [
      ['X-Correlation-ID', 'gone-early'],
      ['X-Api-Key', 'wait'],
    ] as const
    await expect(http({ port: envoy.places.http, path: '/items/7', headers, timeout: 200 })).rejects.toThrow(
      'no answer',
    )
    const line = await lineOf(envoy, 'gone-early')
    expect(line).toMatchObject({ ...NOBODY, status: 0, flags: 'DC', event: null })
    expect(line['request_id']).toBe(headersOf(envoy.checks.at(-1)).get('x-request-id'))
  })

  test('an upstream that is not there: the attempts and their host', async () => {
    const { line } = await logged({ path: '/gone' })
    expect(line).toMatchObject({ status: 503, flags: 'URX,UF', upstream_attempts: 2, upstream_host: '127.0.0.1:1' })
    expect(line).toMatchObject({ retry_after: '1', details: expect.stringContaining('Connection_refused') })
  })

  test('an upstream that is too slow', async () => {
    const { line } = await logged({ path: '/slow?ms=2000' })
    expect(line).toMatchObject({ status: 504, flags: 'UT', details: 'response_timeout' })
    expect(line['total_us']).toBeGreaterThan(900_000)
  })
})

describe('what clients write', () => {
  test('AU-6 no query, cookie, credential or unlisted header is in the log, and the path is the canonical one', async () => {
    const secret = 'canary-5f2c'
    const headers = [
      ['Cookie', `a=${secret}`],
      ['Authorization', `Bearer ${secret}`],
      ['X-Api-Key', secret],
      ['X-Unlisted', secret],
      ['Referer', `https://shop.example/?${secret}`],
      ['User-Agent', secret],
    ] as const
    const paths = [
      `/items/./a/../7?q=${secret}`,
      `/items//7??${secret}`,
      `/nothing?${secret}`,
      `/items/7?a=b?${secret}#${secret}`,
    ]
    for (const path of paths) await logged({ path, headers }).catch(() => undefined)
    await logged({ path: `/items/./a/../7?q=${secret}`, headers: [...headers, ['Origin', secret]] })
    await rawHttp1(envoy.places.http, `GET http://user:${secret}@x/items/7?${secret} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await rawHttp1(envoy.places.http, `GET /%2f?${secret} HTTP/1.1\r\nHost: x\r\nX-Unlisted: ${secret}\r\n\r\n`)
    const { line } = await logged({ path: '/items/last' })
    expect(line['status']).toBe(200)
    const lines = await envoy.logLines()
    expect(lines.some(({ path }) => path === '/items/7')).toBe(true)
    expect(JSON.stringify(lines)).not.toContain(secret)
  })

  test.each([
    ['a path without a canonical form', 'GET /items/%2f7 HTTP/1.1\r\nHost: x', 'path_normalization_failed'],
    ['no path at all', 'OPTIONS * HTTP/1.1\r\nHost: x', 'absolute_path_rejected'],
    ['no host', 'GET /items/7 HTTP/1.1', 'missing_host_header'],
  ])('AU-1 %s: the ids are the client’s own words and are known as such', async (_what, head, details) => {
    const chosen = '11111111-1111-4111-8111-111111111111'
    const ids = `X-Request-ID: ${chosen}\r\nX-Envoy-External-Address: 192.0.2.1\r\n`
    const [line, ...more] = await linesAfter(() => rawHttp1(envoy.places.http, `${head}\r\n${ids}\r\n`))
    expect(more).toEqual([])
    expect(line).toMatchObject({ details, request_id: chosen, client_address: '192.0.2.1' })
    expect(hasOwnIds(line ?? {})).toBe(false)
  })

  test('AU-1 elsewhere a client cannot choose the request id', async () => {
    const chosen = '11111111-1111-4111-8111-111111111111'
    for (const path of ['/items/7', '/nothing']) {
      const { line } = await logged({ path, headers: [['X-Request-ID', chosen]] })
      expect(line['request_id']).not.toBe(chosen)
      expect(line['causation_id']).toBe(chosen)
      expect(hasOwnIds(line)).toBe(true)
    }
  })

  test('no line is long, and every line is JSON with every key, whatever bytes come', async () => {
    const bytes = '"\\\xff\xc3\xed\xa0\x80'.repeat(4_000)
    const head = `${'M'.repeat(20)} /items/%2f${'"'.repeat(12_000)} HTTP/1.1\r\nHost: ${'h'.repeat(2_000)}`
    const ids = `X-Request-ID: ${bytes}\r\nX-Correlation-ID: ${bytes}`
    await rawHttp1(envoy.places.http, `${head}\r\n\r\n`)
    await rawHttp1(envoy.places.http, `GET /%2f HTTP/1.1\r\nHost: x\r\n${ids}\r\n\r\n`)
    await rawHttp1(envoy.places.http, `GET /items/${'"'.repeat(30_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await logged({ path: '/items/last' })
    const text = await envoy.logText('access.log')
    expect(Buffer.from(text, 'utf8').toString('utf8')).not.toContain('\ufffd')
    const lines = text.split('\n').slice(0, -1)
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(32_768)
    const keys = Object.keys(ACCESS_LOG_FORMAT).toSorted()
    for (const line of lines) expect(Object.keys(JSON.parse(line)).toSorted()).toEqual(keys)
  })
})
