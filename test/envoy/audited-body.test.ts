import { createHash } from 'node:crypto'
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { EDGE } from '../../envoy/edge.ts'
import { http } from '../support/http.ts'
import { type LoneEnvoy, startLoneEnvoy } from '../support/lone-envoy.ts'
import { until } from '../support/until.ts'
import { gateway, listener, route, upstream } from '../xds-server/translate/compiled.ts'

/** A POST route of this path; with `maxBytes` its body is recorded. */
function upload(path: string, maxBytes?: number) {
  const plain = route(path, { methods: ['POST'] })
  const body = maxBytes === undefined ? {} : { body: { maxBytes, mask: [] } }
  return { ...plain, policy: { ...plain.policy, audit: { onFailure: 'deny' as const, ...body } } }
}

let envoy: LoneEnvoy
/** An upstream that says how many bytes have come so far. */
let watching: Server
const received: { bytes: number; request: IncomingMessage }[] = []

beforeAll(async () => {
  watching = createServer((request, response) => {
    const seen = { bytes: 0, request }
    received.push(seen)
    request.on('data', (chunk: Buffer) => {
      seen.bytes += chunk.length
    })
    request.once('end', () => response.end(String(seen.bytes)))
    request.once('error', () => undefined)
  })
  await new Promise<void>((resolve) => watching.listen(0, '127.0.0.1', resolve))
  const slow = { paid: 'watching', trial: 'watching' }
  envoy = await startLoneEnvoy(
    (at) => ({
      listeners: [listener({ port: at.http })],
      gateways: [
        gateway(
          [
            upload('/none'),
            upload('/one', 1),
            upload('/some', 1_000),
            upload('/buffer', EDGE.connectionBufferBytes),
            upload('/most', 65_536),
            { ...upload('/watched', 1_000), target: slow },
          ],
          {
            upstreams: [
              upstream('plant', { port: at.upstream }),
              upstream('watching', { port: (watching.address() as AddressInfo).port }),
            ],
          },
        ),
      ],
    }),
    () => ({ status: { code: 0 }, ok_response: {} }),
  )
})
afterAll(async () => {
  await envoy?.stop()
  watching?.closeAllConnections()
  await new Promise((resolve) => watching?.close(resolve))
})

const checkedBody = () => envoy.checks.at(-1)?.attributes?.request?.http

test.each([
  ['/one', 1],
  ['/some', 1_000],
  ['/buffer', 32_768],
  ['/most', 65_536],
])('AU-6 %s: the Check has up to %i bytes of the body as they are, the upstream has all of it', async (path, most) => {
  for (const size of [1, 7, 999, 1_000, 1_001, 32_767, 32_769, 65_535, 65_536, 65_537, 200_000, 3_000_000]) {
    // Not UTF-8, so that nothing on the way may take it for text.
    const body = Buffer.alloc(size, Buffer.from([0xff, 0x00, 0xc3, 0x28]))
    const answer = await http({ port: envoy.places.http, path, method: 'POST', body })
    expect(answer.status, `${size}`).toBe(200)
    expect(answer.json()['body']).toEqual({ bytes: size, sha256: createHash('sha256').update(body).digest('hex') })
    const checked = checkedBody()?.raw_body
    expect(checked?.equals(body.subarray(0, most)), `${size}: ${checked?.length}`).toBe(true)
    expect(checkedBody()?.body ?? '').toBe('')
  }
})

test('AU-6 a route that does not ask has no byte of its bodies in the Check', async () => {
  for (const size of [1, 1_000, 200_000]) {
    const body = Buffer.alloc(size, 'x')
    const answer = await http({ port: envoy.places.http, path: '/none', method: 'POST', body })
    expect(answer.json()['body']).toMatchObject({ bytes: size })
    expect(checkedBody()?.raw_body?.length ?? 0).toBe(0)
  }
})

test('AU-6 what Envoy tells ext-authz about the body is not told to the upstream', async () => {
  const answer = await http({ port: envoy.places.http, path: '/some', method: 'POST', body: 'x'.repeat(2_000) })
  const partial = checkedBody()?.header_map?.headers?.find(({ key }) => key === 'x-envoy-auth-partial-body')
  expect(partial?.raw_value?.toString()).toBe('true')
  expect(answer.text).not.toContain('partial-body')
})

test('RT-5 the rest of a long body streams: the upstream has its beginning before the client has sent the end', async () => {
  const request = httpRequest({
    host: '127.0.0.1',
    port: envoy.places.http,
    path: '/watched',
    method: 'POST',
    headers: { 'Transfer-Encoding': 'chunked' },
  })
  const answer = new Promise<string>((resolve, reject) => {
    request.once('error', reject)
    request.once('response', (response) => response.setEncoding('utf8').once('data', resolve))
  })
  request.write('a'.repeat(1_500))
  await until('the upstream to have the beginning', () => received.at(-1)?.bytes === 1_500)
  request.write('b'.repeat(50_000))
  await until('the upstream to have more', () => received.at(-1)?.bytes === 51_500)
  request.end('c')
  expect(await answer).toBe('51501')
})

test('RT-5 a chunked body that grows over the limit is still 413', async () => {
  const request = httpRequest({
    host: '127.0.0.1',
    port: envoy.places.http,
    path: '/some',
    method: 'POST',
    headers: { 'Transfer-Encoding': 'chunked' },
  })
  const status = new Promise<number | undefined>((resolve) => {
    request.once('response', (response) => resolve(response.resume().statusCode))
    // Envoy closes what it refused while we still write.
    request.on('error', () => undefined)
  })
  const chunk = Buffer.alloc(65_536, 'x')
  for (let sent = 0; sent <= EDGE.maxBodyBytes && !request.destroyed; sent += chunk.length) {
    if (!request.write(chunk)) await Promise.race([new Promise((resolve) => request.once('drain', resolve)), status])
  }
  request.end()
  expect(await status).toBe(413)
})

test('a client that waits for 100 Continue gets it, and its body is recorded', async () => {
  const request = httpRequest({
    host: '127.0.0.1',
    port: envoy.places.http,
    path: '/some',
    method: 'POST',
    headers: { Expect: '100-continue', 'Content-Length': 5 },
  })
  request.flushHeaders()
  await new Promise((resolve) => request.once('continue', resolve))
  request.end('hello')
  const status = await new Promise((resolve) => request.once('response', (r) => resolve(r.resume().statusCode)))
  expect(status).toBe(200)
  expect(checkedBody()?.raw_body?.toString()).toBe('hello')
})

test('AU-6 bodies over HTTP/2, longer than its flow-control window', async () => {
  const session = connectHttp2(`http://127.0.0.1:${envoy.places.http}`)
  const body = Buffer.alloc(300_000, 'y')
  const stream = session.request({ ':method': 'POST', ':path': '/most' })
  stream.end(body)
  const status = await new Promise((resolve, reject) => {
    stream.once('response', (headers) => resolve(headers[':status']))
    stream.once('error', reject)
  })
  stream.resume()
  session.close()
  expect(status).toBe(200)
  expect(checkedBody()?.raw_body?.length).toBe(65_536)
})
