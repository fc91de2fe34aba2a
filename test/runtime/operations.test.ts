import { expect, onTestFinished, test } from 'vitest'
import { createHealth } from '../../runtime/health.ts'
import { createMetrics } from '../../runtime/metrics.ts'
import { serveOperations } from '../../runtime/operations.ts'

async function operations() {
  const health = createHealth('the first snapshot')
  const pages = { '/status': () => ({ revision: 'r1' }), '/broken': () => Promise.reject(new Error('no store')) }
  const server = await serveOperations({ address: '127.0.0.1', port: 0, health, metrics: createMetrics('test'), pages })
  onTestFinished(() => server.close())
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method })
    return { status: response.status, body: await response.text(), type: response.headers.get('content-type') }
  }
  return { health, ask }
}

test('/ready says why not, and follows the phases; draining is final', async () => {
  const { health, ask } = await operations()
  const ready = async () => {
    const { status, body } = await ask('/ready')
    return `${status} ${body.trim()}`
  }
  expect(await ready()).toBe('503 starting: waiting for the first snapshot')
  health.move({ at: 'ready' })
  expect(await ready()).toBe('200 ready')
  health.move({ at: 'failing', because: '1 of 2 workers serve' })
  expect(await ready()).toBe('503 failing: 1 of 2 workers serve')
  health.move({ at: 'draining' })
  health.move({ at: 'ready' })
  expect(await ready()).toBe('503 draining')
  expect((await ask('/healthz')).status).toBe(200)
})

test('/metrics has the process metrics with the name of the process', async () => {
  const { ask } = await operations()
  expect((await ask('/metrics')).body).toMatch(/^process_resident_memory_bytes\{process="test"\} \d+$/m)
})

test('pages answer JSON; a broken one is 500; others 404; other methods 405', async () => {
  const { ask } = await operations()
  expect(await ask('/status?pretty')).toEqual({
    status: 200,
    body: '{\n  "revision": "r1"\n}\n',
    type: 'application/json',
  })
  expect((await ask('/broken')).status).toBe(500)
  expect([(await ask('/nope')).status, (await ask('/__proto__')).status]).toEqual([404, 404])
  expect((await ask('/status', 'POST')).status).toBe(405)
})
