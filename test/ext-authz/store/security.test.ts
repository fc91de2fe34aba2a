import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { StoreAway } from '../../../ext-authz/store/errors.ts'
import type { Viewer } from '../../../ext-authz/store/filter.ts'
import type { AuditReader } from '../../../ext-authz/store/reader.ts'
import type { AuditWriter } from '../../../ext-authz/store/writer.ts'
import { type AuditDatabase, type AuditStore, all, as, asOwner, startAuditStore } from './database.ts'
import { batchOf, fullRow, NOON, openRow } from './rows.ts'

const PARTITION = 'sallyport.gateway_audit_logs_2026_11'
const USER: Viewer = { role: 'user', userId: 'u1' }
const CUSTOMER: Viewer = { role: 'customer_admin', customerId: 'c1' }
const ADMIN: Viewer = { role: 'admin' }

const ROWS = [
  fullRow({ endpoint: '/u1-c1', user_id: 'u1', customer_id: 'c1' }),
  fullRow({ endpoint: '/u2-c1', user_id: 'u2', customer_id: 'c1' }),
  fullRow({ endpoint: '/u1-c2', user_id: 'u1', customer_id: 'c2' }),
  fullRow({ endpoint: '/u3-c3', user_id: 'u3', customer_id: 'c3' }),
  fullRow({ endpoint: '/nobody', user_id: undefined, customer_id: undefined }),
  fullRow({ endpoint: '/empty', user_id: '', customer_id: '' }),
  openRow({ endpoint: '/open', user_id: 'u9', customer_id: 'c9' }),
]

let store: AuditStore
let database: AuditDatabase
let writer: AuditWriter
let reader: AuditReader

beforeAll(async () => {
  store = await startAuditStore(1)
  ;({ database, writer, reader } = store)
  await writer.write(batchOf({ rows: ROWS }))
})

afterAll(() => store?.end())

const seen = async (viewer: Viewer) => (await reader.search({}, viewer, 100)).map(({ endpoint }) => endpoint).toSorted()

/** What a raw session of the reader's login sees of `from` with this identity. */
const rawly = (identity: Readonly<Record<string, string>>, from = 'gateway_audit_logs') =>
  as(database.urls.reader, async (client) => {
    for (const [name, value] of Object.entries(identity))
      await client.query('SELECT set_config($1, $2, false)', [name, value])
    const { rows } = await client.query<{ endpoint: string }>(`SELECT endpoint FROM ${from} ORDER BY 1`)
    return rows.map(({ endpoint }) => endpoint)
  })

const refusedAs = (url: 'writer' | 'reader' | 'maintainer', statement: string) =>
  as(database.urls[url], (client) => client.query(statement).catch(({ code }: { code: string }) => code))

const NOT_ALLOWED = '42501'

test('AU-5 a user sees their own rows of every customer, a customer’s admin the rows of the customer, an admin all', async () => {
  expect(await seen(USER)).toEqual(['/u1-c1', '/u1-c2'])
  expect(await seen(CUSTOMER)).toEqual(['/u1-c1', '/u2-c1'])
  expect(await seen(ADMIN)).toEqual(ROWS.map(({ endpoint }) => endpoint).toSorted())
})

test('AU-5 the policies alone decide: without any filter of ours each identity sees the same', async () => {
  expect(await rawly({ 'app.role': 'user', 'app.user_id': 'u1' })).toEqual(['/u1-c1', '/u1-c2'])
  expect(await rawly({ 'app.role': 'customer_admin', 'app.customer_id': 'c1' })).toEqual(['/u1-c1', '/u2-c1'])
  expect(await rawly({ 'app.role': 'admin' })).toHaveLength(ROWS.length)
})

test('AU-5 who is nobody sees nothing: no role, an empty, an unknown, one without its id, or the id of another role', async () => {
  for (const identity of [
    {},
    { 'app.role': '' },
    { 'app.role': 'root' },
    { 'app.role': 'Admin' },
    { 'app.role': 'user' },
    { 'app.role': 'user', 'app.user_id': '' },
    { 'app.role': 'user', 'app.customer_id': 'c1' },
    { 'app.role': 'customer_admin', 'app.user_id': 'u1' },
    { 'app.role': 'customer_admin', 'app.customer_id': '' },
    { 'app.user_id': 'u1', 'app.customer_id': 'c1' },
  ] as Record<string, string>[]) {
    expect(await rawly(identity), JSON.stringify(identity)).toEqual([])
  }
  expect(await seen({ role: 'user', userId: '' })).toEqual([])
  expect(await seen({ role: 'customer_admin', customerId: '' })).toEqual([])
})

test('AU-5 a user who asks for others’ rows by filter gets none', async () => {
  expect(await reader.search({ user: 'u2' }, USER, 10)).toEqual([])
  expect(await reader.search({ customer: 'c3' }, CUSTOMER, 10)).toEqual([])
  expect(await reader.count({ user: 'u2' }, USER)).toBe(0)
})

test('AU-5 exports see what searches see', async () => {
  for (const [viewer, expected] of [
    [USER, 2],
    [CUSTOMER, 2],
    [ADMIN, ROWS.length],
  ] as const) {
    expect(await all(reader.stream({}, viewer))).toHaveLength(expected)
    expect(await reader.count({}, viewer)).toBe(expected)
  }
})

test('AU-5 a COPY of the table gives nothing or an error, a COPY of a query what its identity sees', async () => {
  const copied = (statement: string) =>
    as(database.urls.reader, async (client) => {
      await client.query(`SELECT set_config('app.role', 'user', false), set_config('app.user_id', 'u1', false)`)
      const done = await client.query(`${statement} TO STDOUT`).catch(() => undefined)
      return done?.rowCount ?? 0
    })
  expect(await copied('COPY sallyport.gateway_audit_logs')).toBe(0)
  expect(await copied(`COPY ${PARTITION}`)).toBe(0)
  expect(await copied('COPY (SELECT * FROM sallyport.gateway_audit_logs)')).toBe(2)
})

test('AU-5 a partition cannot be read directly, as whoever', async () => {
  for (const url of ['reader', 'writer', 'maintainer'] as const)
    expect(await refusedAs(url, `SELECT * FROM ${PARTITION}`)).toBe(NOT_ALLOWED)
  expect(
    await refusedAs(
      'writer',
      `INSERT INTO ${PARTITION} (timestamp, id, node, outcome) VALUES (now(), gen_random_uuid(), 'x', 'open')`,
    ),
  ).toBe(NOT_ALLOWED)
  // Nor by their owner, and nor by whoever is granted to by mistake: they have no policy that lets anything through.
  const found = await asOwner(database, async (owner) => {
    await owner.query('SET ROLE sallyport_keeper')
    const own = await owner.query(`SELECT FROM ${PARTITION}`)
    await owner.query(`GRANT SELECT ON ${PARTITION} TO sallyport_reader`)
    const granted = await rawly({ 'app.role': 'admin' }, PARTITION)
    await owner.query(`REVOKE SELECT ON ${PARTITION} FROM sallyport_reader`)
    return [own.rowCount, granted.length]
  })
  expect(found).toEqual([0, 0])
})

test('AU-5 views pass nothing by: with the rights of their caller or, under forced policies, even of the tables’ owner', async () => {
  await asOwner(database, async (owner) => {
    await owner.query('SET ROLE sallyport_keeper')
    for (const [name, options] of [
      ['invoked', 'WITH (security_invoker = true)'],
      ['defined', ''],
    ]) {
      await owner.query(`CREATE VIEW sallyport.${name} ${options} AS SELECT * FROM sallyport.gateway_audit_logs`)
      await owner.query(`GRANT SELECT ON sallyport.${name} TO sallyport_reader`)
    }
  })
  expect(await rawly({ 'app.role': 'user', 'app.user_id': 'u1' }, 'invoked')).toEqual(['/u1-c1', '/u1-c2'])
  expect(await rawly({}, 'invoked')).toEqual([])
  expect(await rawly({ 'app.role': 'user', 'app.user_id': 'u1' }, 'defined')).toEqual([])
  await asOwner(database, (owner) => owner.query('DROP VIEW sallyport.invoked, sallyport.defined'))
})

test('AU-5 row security switched off by a session is an error, not all rows', async () => {
  const error = await as(database.urls.reader, async (client) => {
    await client.query('SET row_security = off')
    return client.query('SELECT * FROM gateway_audit_logs').catch((caught: Error) => caught.message)
  })
  expect(error).toContain('row-level security')
})

test('AU-5 a function that leaks its arguments, used as a filter, leaks nothing of others’ rows', async () => {
  await asOwner(database, (owner) =>
    owner.query(`SET ROLE sallyport_keeper; CREATE FUNCTION sallyport.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001
      AS $$ BEGIN RAISE NOTICE 'leaked %', $1; RETURN true; END $$`),
  )
  const leaked = await as(database.urls.reader, async (client) => {
    const said: string[] = []
    client.on('notice', ({ message }) => said.push(String(message)))
    await client.query(`SELECT set_config('app.role', 'user', false), set_config('app.user_id', 'u1', false)`)
    await client.query('SELECT FROM gateway_audit_logs WHERE leak(endpoint)')
    return said.toSorted()
  })
  expect(leaked).toEqual(['leaked /u1-c1', 'leaked /u1-c2'])
})

test('AU-5 a failed transaction on the pool’s one connection leaves no identity behind', async () => {
  const failed = reader.snapshot(ADMIN, (view) => view.search({ after: { timestamp: NOON, id: 'no-uuid' } }, 1))
  await expect(failed).rejects.toThrow()
  expect(await seen(USER)).toEqual(['/u1-c1', '/u1-c2'])
  expect(await seen({ role: 'user', userId: '' })).toEqual([])
})

test('AU-5 an identity ends with its transaction: committed, rolled back or failed', async () => {
  const after = (end: (client: Client) => Promise<unknown>) =>
    as(database.urls.reader, async (client) => {
      await client.query('BEGIN')
      await client.query(`SELECT set_config('app.role', 'admin', true)`)
      await end(client)
      return (await client.query('SELECT FROM gateway_audit_logs')).rowCount
    })
  expect(await after((client) => client.query('COMMIT'))).toBe(0)
  expect(await after((client) => client.query('ROLLBACK'))).toBe(0)
  expect(await after((client) => client.query('SELECT 1/0').catch(() => client.query('ROLLBACK')))).toBe(0)
})

test('AU-5 a plan that was made for one identity does not serve another', async () => {
  const counts = await as(database.urls.reader, async (client) => {
    await client.query('SET plan_cache_mode = force_generic_plan')
    const found: (number | null)[] = []
    for (const role of ['admin', 'user', 'nobody', 'admin']) {
      await client.query(`SELECT set_config('app.role', $1, false), set_config('app.user_id', 'u1', false)`, [role])
      found.push((await client.query({ name: 'all', text: 'SELECT FROM gateway_audit_logs' })).rowCount)
    }
    return found
  })
  expect(counts).toEqual([ROWS.length, 2, 0, ROWS.length])
})

test('AU-5 only an admin sees batch roots', async () => {
  expect(
    await rawly({ 'app.role': 'user', 'app.user_id': 'u1' }, '(SELECT node AS endpoint FROM audit_batch_roots) AS r'),
  ).toEqual([])
  expect(await rawly({ 'app.role': 'admin' }, '(SELECT node AS endpoint FROM audit_batch_roots) AS r')).toContain(
    'gw-1',
  )
})

test('AU-5 a reader that cannot reach the table says so as "later", without anybody’s rows', async () => {
  await asOwner(database, (owner) =>
    owner.query('SET ROLE sallyport_keeper; REVOKE SELECT ON sallyport.gateway_audit_logs FROM sallyport_reader'),
  )
  await expect(seen(USER)).rejects.toThrow(StoreAway)
  await asOwner(database, (owner) =>
    owner.query('SET ROLE sallyport_keeper; GRANT SELECT ON sallyport.gateway_audit_logs TO sallyport_reader'),
  )
  expect(await seen(USER)).toHaveLength(2)
})
