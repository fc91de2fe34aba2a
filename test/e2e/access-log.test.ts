import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIVE_LOG, oldLog } from '../../runtime/access-log-names.ts'
import { answers, type Gateway, startGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

let gateway: Gateway

beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway?.stop())

const folder = () => join(gateway.state, 'audit/access')

/** The line of a request in a file of the log. */
const lineOf = (correlationId: string, file: string) =>
  until(`the line of ${correlationId} in ${file}`, async () => {
    const lines = (await readFile(join(folder(), file), 'utf8')).split('\n').slice(0, -1)
    return lines
      .map((line): Record<string, unknown> => JSON.parse(line))
      .find((l) => l['correlation_id'] === correlationId)
  })

const ask = (path: string, correlationId: string, as?: string) =>
  gateway.request(path, {
    ...(as === undefined ? {} : { as }),
    headers: [
      ['X-Correlation-ID', correlationId],
      ['Connection', 'close'],
    ],
  })

test('AU-1 the running product logs each request, refused or not, with the event of its decision', async () => {
  await answers(gateway, '/api/v1/agents', 200, { as: 'admin' })
  expect((await ask('/api/v1/agents?page=2', 'passed', 'admin')).status).toBe(200)
  expect((await ask('/api/v1/agents', 'refused')).status).toBe(401)
  const passed = await lineOf('passed', LIVE_LOG)
  expect(passed).toMatchObject({ status: 200, route: 'partner/list agents', path: '/api/v1/agents', audit: null })
  const refused = await lineOf('refused', LIVE_LOG)
  expect(refused).toMatchObject({ status: 401, details: 'ext_authz_denied', upstream_host: null })
  for (const { event } of [passed, refused]) expect(event).toMatch(/^[A-Za-z0-9-]{1,63}\.[0-9a-f]+\.\d+$/)
})

test('AU-1 each start of Envoy begins a log of its own and ends the one before', async () => {
  expect((await ask('/health', 'before')).status).toBe(200)
  await lineOf('before', LIVE_LOG)
  const pid = gateway.sallyport.part('envoy').pid()
  if (pid === undefined) throw new Error('Envoy does not run')
  process.kill(pid, 'SIGKILL')
  await until('the next Envoy', async () => (await ask('/health', 'after')).status === 200)
  await lineOf('after', LIVE_LOG)
  const ended = (await readdir(folder())).filter((name) => oldLog(name)?.ended)
  expect(ended).toHaveLength(1)
  await lineOf('before', ended[0] ?? '')
})
