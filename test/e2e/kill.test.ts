import { afterAll, beforeAll, expect, test } from 'vitest'
import { childrenOf } from '../support/children.ts'
import { answers, type Gateway, startGateway } from '../support/gateway.ts'
import { http } from '../support/http.ts'
import { SteadyLoad } from '../support/steady-load.ts'
import { until } from '../support/until.ts'

let gateway: Gateway

beforeAll(async () => {
  gateway = await startGateway({ workers: 2 })
})
afterAll(() => gateway?.stop())

const pidOf = (part: string) => {
  const pid = gateway.sallyport.part(part).pid()
  if (pid === undefined) throw new Error(`${part} is not running`)
  return pid
}
const workers = () => childrenOf(pidOf('ext-authz'))

async function loaded() {
  const load = new SteadyLoad(150)
  const authorization = `Bearer ${await gateway.token('paying')}`
  load.target('agents', {
    port: gateway.ports.http,
    path: '/api/cp/v1/agents',
    headers: [['Authorization', authorization]],
  })
  return load
}

/** Envoy's own count of good health checks: both workers answered one after this moment, and both count as healthy. */
async function bothHealthy(): Promise<void> {
  const checks = async () =>
    Number(
      /health_check\.success: (\d+)/.exec(
        await gateway.admin('/stats?filter=cluster.ext-authz.health_check.success'),
      )?.[1],
    )
  const before = await checks()
  await until('Envoy to see both workers as healthy', async () => {
    const hosts = (await gateway.admin('/clusters')).match(/^ext-authz::.*health_flags::(.*)$/gm) ?? []
    return hosts.length === 2 && hosts.every((line) => line.endsWith('healthy')) && (await checks()) >= before + 4
  })
}

test('facts/envoy.md §5 kill -9 of a worker under load, three times: no request fails, and it comes back', async () => {
  const load = await loaded()
  for (let round = 0; round < 3; round++) {
    const [victim] = await until('two workers', () => (workers().length === 2 ? workers() : undefined))
    if (victim === undefined) throw new Error('no worker')
    process.kill(victim, 'SIGKILL')
    await until('another worker in its place', () => workers().length === 2 && !workers().includes(victim))
    await until(
      'main to count both',
      async () => (await http({ port: gateway.ports.authzMetrics, path: '/ready' })).status === 200,
    )
    await bothHealthy()
  }
  const report = await load.stop()
  expect(report.failures).toEqual({})
  expect(report.sent).toBeGreaterThan(50)
})

test('a stopped worker (SIGSTOP) under load fails no request: what it does not answer, the other does', async () => {
  const load = await loaded()
  const [victim] = workers()
  if (victim === undefined) throw new Error('no worker')
  process.kill(victim, 'SIGSTOP')
  try {
    // Before it goes on: without a time for each try these would wait for it.
    const answered = await Promise.all(
      Array.from({ length: 20 }, () => gateway.request('/api/cp/v1/agents', { as: 'paying' })),
    )
    expect(new Set(answered.map(({ status }) => status))).toEqual(new Set([200]))
    await until('Envoy to see it as unhealthy', async () =>
      /health_flags::\/failed_active_hc/.test(await gateway.admin('/clusters')),
    )
  } finally {
    process.kill(victim, 'SIGCONT')
  }
  await until(
    'Envoy to see all as healthy',
    async () => !/health_flags::\/failed_active_hc/.test(await gateway.admin('/clusters')),
  )
  expect((await load.stop()).failures).toEqual({})
})

test('AZ-7 with all workers gone the answer is 503 problem+json, never 200 and never 403; then they are back', async () => {
  const main = pidOf('ext-authz')
  const gone = workers()
  process.kill(main, 'SIGSTOP')
  for (const pid of gone) process.kill(pid, 'SIGKILL')
  try {
    for (const path of ['/api/cp/v1/agents', '/health', '/api/v1/agents']) {
      const response = await answers(gateway, path, 503, { as: 'paying' })
      expect(response.headers['content-type']).toBe('application/problem+json')
      expect(response.json()).toMatchObject({ type: 'https://waooaw.com/errors/service-unavailable', status: 503 })
    }
    const statuses = await Promise.all(
      Array.from({ length: 50 }, () => gateway.request('/api/cp/v1/agents', { as: 'paying' })),
    )
    expect(new Set(statuses.map(({ status }) => status))).toEqual(new Set([503]))
  } finally {
    process.kill(main, 'SIGCONT')
  }
  await answers(gateway, '/api/cp/v1/agents', 200, { as: 'paying' })
})

test('XD-2 kill -9 of xds-server under load: traffic is unaffected, it comes back, and edits go live again', async () => {
  const load = await loaded()
  const before = pidOf('xds-server')
  process.kill(before, 'SIGKILL')
  await until(
    'xds-server to be back',
    () => gateway.sallyport.part('xds-server').pid() !== undefined && pidOf('xds-server') !== before,
  )
  await gateway.write(
    'after.ts',
    `import { defineGateway, get, http, open } from '../define.ts'
export default defineGateway({ name: 'after', type: 'project', prefix: '/after', identity: open('a test of restarts'), upstreams: { plant: http('plant:8000') }, target: 'plant', routes: { one: get('/one') } })
`,
  )
  await answers(gateway, '/after/one', 200)
  expect((await load.stop()).failures).toEqual({})
})

test('kill -9 of Envoy: it is back by itself and serves the same routes', async () => {
  const before = pidOf('envoy')
  process.kill(before, 'SIGKILL')
  await until('a new Envoy', () => gateway.sallyport.part('envoy').pid() !== undefined && pidOf('envoy') !== before)
  await answers(gateway, '/api/cp/v1/agents', 200, { as: 'paying' })
})

test('kill -9 of ext-authz itself leaves no orphan and it comes back', async () => {
  const before = pidOf('ext-authz')
  const orphans = workers()
  process.kill(before, 'SIGKILL')
  await until(
    'a new ext-authz',
    () => gateway.sallyport.part('ext-authz').pid() !== undefined && pidOf('ext-authz') !== before,
  )
  await answers(gateway, '/api/cp/v1/agents', 200, { as: 'paying' })
  for (const pid of orphans) expect(childrenOf(pidOf('ext-authz'))).not.toContain(pid)
})
