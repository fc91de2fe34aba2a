import { createHash } from 'node:crypto'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type Echo, startEcho } from '../../../runtime/embedded/upstream/echo.ts'

async function echo() {
  const upstream = await startEcho('plant', 0)
  onTestFinished(upstream.close)
  return { ...upstream, url: `http://127.0.0.1:${upstream.port}` }
}

test('headers come back in order and spelling of the wire, duplicates and trailers too', async () => {
  const { port } = await echo()
  const body =
    'POST /a?b=1 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\nX_B: 3\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\nhi\r\n0\r\nX-T: end\r\n\r\n'
  const answer = await raw(port, body)
  expect(answer).toMatchObject({
    upstream: 'plant',
    protocol: 'HTTP/1.1',
    method: 'POST',
    path: '/a?b=1',
    trailers: [['X-T', 'end']],
    body: { bytes: 2, sha256: createHash('sha256').update('hi').digest('hex') },
  })
  expect(answer.headers.slice(0, 4)).toEqual([
    ['Host', 'x'],
    ['X-A', '1'],
    ['x-a', '2'],
    ['X_B', '3'],
  ])
})

test('the same port speaks HTTP/2 with prior knowledge, trailers included', async () => {
  const { url } = await echo()
  const session = connectHttp2(url)
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':method': 'POST', ':path': '/two', 'x-a': ['1', '2'] }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': 'end' }))
  stream.end('hello')
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += chunk
  expect(JSON.parse(text)).toMatchObject({
    protocol: 'HTTP/2.0',
    method: 'POST',
    path: '/two',
    trailers: [['x-t', 'end']],
    body: { bytes: 5 },
  })
})

test('several requests share one connection', async () => {
  const { url } = await echo()
  const statuses = await Promise.all(
    ['/a', '/status/503', '/api/v1/status/404', '/health'].map(async (path) => (await fetch(url + path)).status),
  )
  expect(statuses).toEqual([200, 503, 404, 200])
})

test('/slow waits as long as asked', async () => {
  const { url } = await echo()
  const started = performance.now()
  expect((await fetch(`${url}/slow?ms=120`)).status).toBe(200)
  expect(performance.now() - started).toBeGreaterThan(110)
})

function raw(port: number, bytes: string): Promise<Echo> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.once('error', reject)
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      const json = /\r\n\r\n(\{.*\})\n/s.exec(text)?.[1]
      if (json === undefined) return
      socket.destroy()
      resolve(JSON.parse(json))
    })
  })
}
