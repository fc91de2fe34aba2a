import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type HttpResponse, http } from '../support/http.ts'
import { mountTmpfs } from '../support/tmpfs.ts'
import { until } from '../support/until.ts'
import { readRows } from './rows.ts'
import { type Site, startSite } from './site.ts'
import { verifyAudit } from './verify-audit.ts'

const QUOTA = 4 * 2 ** 20
const BACK_WITHIN_MS = 5_000
/** Requests that go on while it is full. */
const OPEN = 5

/** One request each for a route that closes when it cannot be recorded, and for one that goes on. */
async function ask(site: Site, method: 'POST' | 'GET', id: string): Promise<HttpResponse> {
  const port = site.ports.http
  const path = method === 'POST' ? '/api/cp/v1/tasks' : '/api/cp/v1/agents'
  const headers = [
    ['Authorization', `Bearer ${site.tokens.get('paying')}`],
    ['X-Correlation-ID', id],
  ] as const
  return http({ port, method, path, headers, ...(method === 'POST' ? { body: '{}' } : {}) })
}

/** Each worker finds out by itself, and gives up its ballast first: so many refusals in a row say that all have. */
const REFUSED_IN_A_ROW = 20

async function closedWhileOpenOnesGoOn(site: Site, run: string): Promise<void> {
  let inARow = 0
  const refused = await until('closed routes to be refused by all workers', async () => {
    const answer = await ask(site, 'POST', `${run}-closing-${inARow}`)
    inARow = answer.status === 503 ? inARow + 1 : 0
    return inARow === REFUSED_IN_A_ROW ? answer : undefined
  })
  expect(refused.headers['content-type']).toBe('application/problem+json')
  expect(refused.headers['retry-after']).toBe('1')
  expect(refused.json()).toMatchObject({ type: 'https://waooaw.com/errors/service-unavailable', status: 503 })
  for (let open = 0; open < OPEN; open++) expect((await ask(site, 'GET', `${run}-open-${open}`)).status).toBe(200)
}

/** Space is there again: resolves with how long the service took to notice, ms. */
async function backWithin(site: Site, id: string): Promise<number> {
  const began = performance.now()
  await until('closed routes to be served again', async () => (await ask(site, 'POST', id)).status === 200)
  return performance.now() - began
}

const skippedRows = async (site: Site, run: string) =>
  (await readRows(site.readerUrl)).filter(
    ({ correlationId, outcome }) => outcome === 'skipped' && correlationId?.startsWith(`${run}-open-`),
  )

async function skippedCount(site: Site): Promise<number> {
  const metrics = (await http({ port: site.ports.authzMetrics, path: '/metrics' })).text
  const values = [...metrics.matchAll(/^\S*audit\S*skipped\S* (\d+)$/gm)].map(([, value]) => Number(value))
  return Math.max(0, ...values)
}

test('AZ-7 a full spool quota: closed routes answer 503, open ones go on and are counted; then it is back by itself', async () => {
  const site = await startSite({
    settings: { 'ext-authz': { SALLYPORT_SPOOL_QUOTA: `${QUOTA}` } },
    say: () => undefined,
  })
  try {
    expect((await ask(site, 'POST', 'before')).status).toBe(200)
    const foreign = join(site.state, 'audit/access/something-else')
    await writeFile(foreign, Buffer.alloc(QUOTA))
    await closedWhileOpenOnesGoOn(site, 'quota')
    expect(await skippedCount(site)).toBeGreaterThanOrEqual(OPEN)
    await rm(foreign)
    expect(await backWithin(site, 'after')).toBeLessThan(BACK_WITHIN_MS)
    await until('the rows of what went on', async () => (await skippedRows(site, 'quota')).length === OPEN, 30_000)
    expect(await site.verify()).toEqual([])
  } finally {
    await site.stop()
  }
}, 90_000)

test('AZ-7 a spool on a full tmpfs of 1 MiB: the same, and its chain is whole', async ({ skip }) => {
  const disk = await mountTmpfs(1)
  if ('reason' in disk) return skip(disk.reason)
  try {
    const settings = { SALLYPORT_SEGMENT_BYTES: '65536', SALLYPORT_SEGMENT_SECONDS: '1' }
    const site = await startSite({ spools: disk.folder, settings: { 'ext-authz': settings }, say: () => undefined })
    try {
      const filler = await disk.fill()
      await closedWhileOpenOnesGoOn(site, 'tmpfs')
      await rm(filler)
      expect(await backWithin(site, 'after')).toBeLessThan(BACK_WITHIN_MS)
      await until('the rows of what went on', async () => (await skippedRows(site, 'tmpfs')).length === OPEN, 30_000)
      expect(await verifyAudit({ state: site.state, witness: disk.folder, readerUrl: site.readerUrl })).toEqual([])
    } finally {
      await site.stop()
    }
  } finally {
    await disk.end()
  }
}, 90_000)
