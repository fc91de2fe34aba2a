import { afterAll, beforeAll, expect, test } from 'vitest'
import { RowRefused, StoreAway } from '../../../ext-authz/store/errors.ts'
import type { AuditFilter } from '../../../ext-authz/store/filter.ts'
import { type AuditReader, openReader } from '../../../ext-authz/store/reader.ts'
import type { AuditWriter } from '../../../ext-authz/store/writer.ts'
import { Secret } from '../../../runtime/secret.ts'
import { type AuditDatabase, type AuditStore, all, asOwner, startAuditStore } from './database.ts'
import { batchOf, fullRow, NOON, openRow, rootOf } from './rows.ts'

const ADMIN = { role: 'admin' } as const
/** Rows of one instant, told apart by their ids, and later ones. */
const uuid = (index: number) => `00000000-0000-8000-8000-${String(index).padStart(12, '0')}`
const ROWS = Array.from({ length: 1_201 }, (_, index) =>
  fullRow({ id: uuid(index), timestamp: NOON + Math.floor(index / 3), endpoint: `/${index}`, correlation_id: 'many' }),
)
const [first] = ROWS

let store: AuditStore
let database: AuditDatabase
let writer: AuditWriter
let reader: AuditReader

beforeAll(async () => {
  store = await startAuditStore(2)
  ;({ database, writer, reader } = store)
  await writer.write(batchOf({ rows: ROWS }))
})

afterAll(() => store?.end())

const found = async (filter: AuditFilter) => (await reader.search(filter, ADMIN, 100)).map(({ endpoint }) => endpoint)

test('AU-5 the newest come first, or the oldest, and rows of one instant always in the same order', async () => {
  expect(await found({ correlation: 'many' })).toEqual(
    ROWS.slice(-100)
      .reverse()
      .map(({ endpoint }) => endpoint),
  )
  expect(await found({ correlation: 'many', order: 'oldest' })).toEqual(
    ROWS.slice(0, 100).map(({ endpoint }) => endpoint),
  )
})

test('AU-5 pages follow each other without a gap or a repetition, in both orders', async () => {
  for (const order of ['newest', 'oldest'] as const) {
    const seen: (string | undefined)[] = []
    let after: AuditFilter['after']
    for (;;) {
      const page = await reader.search({ correlation: 'many', order, after }, ADMIN, 250)
      if (page.length === 0) break
      seen.push(...page.map(({ endpoint }) => endpoint))
      after = page.at(-1)
    }
    const expected = ROWS.map(({ endpoint }) => endpoint)
    expect(seen).toEqual(order === 'oldest' ? expected : expected.toReversed())
  }
})

test('AU-5 each filter restricts by its own column, from is included and to is not', async () => {
  const at = Date.UTC(2026, 10, 20) * 1000
  const one = {
    timestamp: at,
    endpoint: '/one',
    user_id: 'fu',
    customer_id: 'fc',
    status_code: 403,
    problem: 'forbidden',
  }
  const two = {
    gateway: 'fg',
    route: 'fg/r',
    correlation_id: 'fx',
    request_id: 'fr',
    node: 'fn',
    outcome: 'envoy' as const,
  }
  const other = fullRow({ timestamp: at + 1, endpoint: '/other', status_code: 500 })
  await writer.write(batchOf({ rows: [fullRow({ ...one, ...two }), other] }))
  const window = { from: at, to: at + 2 }
  expect(await found(window)).toEqual(['/other', '/one'])
  const filters: AuditFilter[] = [
    { to: at + 1 },
    { user: 'fu' },
    { customer: 'fc' },
    { status: { min: 403, max: 403 } },
    { status: { min: 400, max: 499 } },
    { problem: 'forbidden' },
    { gateway: 'fg' },
    { route: 'fg/r' },
    { correlation: 'fx' },
    { request: 'fr' },
    { node: 'fn' },
    { outcome: 'envoy' },
  ]
  for (const filter of filters) {
    expect(await found({ ...window, ...filter }), JSON.stringify(filter)).toEqual(['/one'])
    expect(await reader.count({ ...window, ...filter }, ADMIN)).toBe(1)
  }
  expect(await found({ ...window, from: at + 1 })).toEqual(['/other'])
  expect(await found({ ...window, status: { min: 404, max: 499 } })).toEqual([])
  expect(await found({ ...window, user: "fu' OR true --" })).toEqual([])
})

test('AU-5 an export is one snapshot: rows that come while it runs are not in it', async () => {
  const stream = reader.stream({ correlation: 'many', order: 'oldest' }, ADMIN)
  const start = await stream.next()
  await writer.write(
    batchOf({ rows: [fullRow({ timestamp: NOON + 999_999, correlation_id: 'many', endpoint: '/late' })] }),
  )
  const rest = await all(stream)
  expect([start.value, ...rest].map((row) => row?.endpoint)).toEqual(ROWS.map(({ endpoint }) => endpoint))
  expect(await reader.count({ correlation: 'many' }, ADMIN)).toBe(ROWS.length + 1)
})

test('AU-5 an export that is given up half way gives its connection back', async () => {
  for (let turn = 0; turn < 5; turn++) {
    for await (const row of reader.stream({ correlation: 'many' }, ADMIN)) if (row.endpoint !== '/late') break
  }
  const { rows } = await asOwner(database, (owner) =>
    owner.query(
      `SELECT count(*)::int AS busy FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation WHERE relname = 'gateway_audit_logs'`,
    ),
  )
  expect(rows).toEqual([{ busy: 0 }])
  expect(await reader.search({ correlation: 'many' }, ADMIN, 1)).toHaveLength(1)
})

test('AU-8 rows and roots of one snapshot belong together, and two streams may be read in turns', async () => {
  await reader.snapshot(ADMIN, async (view) => {
    const before = { rows: await view.count({}), roots: (await all(view.roots())).length }
    const batch = batchOf({ rows: [fullRow()] })
    await writer.write(batch)
    expect({ rows: await view.count({}), roots: (await all(view.roots())).length }).toEqual(before)
    const up = view.stream({ correlation: 'many', order: 'oldest' })
    const down = view.stream({ correlation: 'many', order: 'newest' })
    for (let index = 0; index < 600; index++) {
      const [oldest, newest] = [await up.next(), await down.next()]
      if (index === 0) expect(oldest.value).toStrictEqual(first)
      expect(oldest.value?.timestamp).toBeLessThanOrEqual(newest.value?.timestamp ?? 0)
    }
  })
})

test('AU-8 roots come by node and number, all of them or from one on, with their kind and the time of their arrival', async () => {
  const leaves = Buffer.from(JSON.stringify({ month: '2020-01', rows: 1, digest: 'ab' }))
  const dropped = rootOf(2, { node: 'roots', kind: 'dropped', leaves, leaf_count: 0 })
  for (const root of [rootOf(10, { node: 'roots' }), rootOf(1, { node: 'roots' }), dropped])
    await writer.write(batchOf({ root }))
  const roots = await all(reader.roots({ node: 'roots' }))
  expect(roots.map(({ number }) => number)).toEqual([1, 2, 10])
  const { created_at, ...second } = roots[1] ?? {}
  expect(second).toStrictEqual(dropped)
  expect(Math.abs((created_at ?? 0) / 1000 - Date.now())).toBeLessThan(60_000)
  expect((await all(reader.roots({ node: 'roots', from: 2 }))).map(({ number }) => number)).toEqual([2, 10])
  const nodes = (await all(reader.roots())).map(({ node }) => node)
  expect(nodes).toEqual(nodes.toSorted())
  expect(await reader.snapshot({ role: 'user', userId: 'u1' }, (view) => all(view.roots()))).toEqual([])
})

test('AU-5 an error of the one who reads stays theirs, one of the store is told as such', async () => {
  class Mine extends Error {}
  await expect(reader.snapshot(ADMIN, () => Promise.reject(new Mine()))).rejects.toThrow(Mine)
  await expect(reader.search({ after: { timestamp: NOON, id: 'x' } }, ADMIN, 1)).rejects.toThrow(RowRefused)
  const away = openReader(new Secret('postgres://a:b@127.0.0.1:1/c'))
  await expect(away.search({}, ADMIN, 1)).rejects.toThrow(StoreAway)
  await expect(all(away.stream({}, ADMIN))).rejects.toThrow(StoreAway)
  await away.close()
})

test('AU-4 every filter of the reader finds its rows by an index', async () => {
  await writer.write(batchOf({ rows: Array.from({ length: 20 }, (_, i) => openRow({ timestamp: NOON - i })) }))
  const filters: [condition: string, index: RegExp][] = [
    [`correlation_id = 'x'`, /correlation_id/],
    [`request_id = 'x'`, /request_id/],
    [`user_id = 'x' ORDER BY "timestamp" DESC`, /user_id/],
    [`customer_id = 'x' ORDER BY "timestamp" DESC`, /customer_id/],
    [`route = 'x' ORDER BY "timestamp" DESC`, /route/],
    [`problem = 'x' ORDER BY "timestamp" DESC`, /problem/],
    [`status_code >= 400 ORDER BY "timestamp" DESC`, /status_code/],
    [`node = 'x' AND outcome = 'open' AND "timestamp" < now()`, /node/],
    [`opa_decisions @> '[{"stage":"x"}]'`, /opa_decisions/],
    [`true ORDER BY "timestamp" DESC, id DESC LIMIT 1`, /pkey/],
  ]
  await asOwner(database, async (owner) => {
    await owner.query(
      'BEGIN; SET LOCAL ROLE sallyport_keeper; ALTER TABLE sallyport.gateway_audit_logs NO FORCE ROW LEVEL SECURITY',
    )
    await owner.query('SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off')
    for (const [condition, index] of filters) {
      const { rows } = await owner.query(`EXPLAIN SELECT id FROM sallyport.gateway_audit_logs WHERE ${condition}`)
      const plan = rows.map((line) => line['QUERY PLAN']).join('\n')
      expect(plan, condition).toMatch(new RegExp(`Index.*2026_11_\\w*${index.source}`))
    }
    await owner.query('ROLLBACK')
  })
})
