import { inspect } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { storeError } from '../../../ext-authz/store/connection.ts'
import { NOT_ENCODABLE, PartitionMissing, RootTaken, RowRefused, StoreAway } from '../../../ext-authz/store/errors.ts'
import { openMaintainer } from '../../../ext-authz/store/maintainer.ts'
import { type AuditReader, openReader } from '../../../ext-authz/store/reader.ts'
import { type AuditWriter, openWriter } from '../../../ext-authz/store/writer.ts'
import { Secret } from '../../../runtime/secret.ts'
import { until } from '../../support/until.ts'
import { type AuditDatabase, type AuditStore, all, asOwner, startAuditStore } from './database.ts'
import { batchOf, fullRow, NOON, openRow, rootOf } from './rows.ts'

const ADMIN = { role: 'admin' } as const

let store: AuditStore
let database: AuditDatabase
let writer: AuditWriter
let reader: AuditReader

beforeAll(async () => {
  store = await startAuditStore()
  ;({ database, writer, reader } = store)
})

afterAll(() => store?.end())

const stored = (request: string | undefined) => reader.search({ request }, ADMIN, 10)

const lastRoot = async () => (await writer.lastRoot('gw-1'))?.number ?? 0

test('AU-2 a row comes back exactly as it was written, to the µs and the byte', async () => {
  const full = fullRow()
  const bare = fullRow({ ...onlyKeys(full), id: '00000000-0000-8000-8000-000000000001', request_id: 'bare' })
  expect(await writer.write(batchOf({ rows: [full, bare] }))).toEqual({ rows: 2, completed: 0, ended: 0 })
  expect(await stored(full.request_id)).toStrictEqual([full])
  expect(await stored('bare')).toStrictEqual([bare])
})

/** Every column that may be NULL is. */
const onlyKeys = (row: object) =>
  Object.fromEntries(
    Object.keys(row)
      .filter((name) => !['timestamp', 'id', 'node', 'outcome'].includes(name))
      .map((name) => [name, undefined]),
  )

test('AU-2 JSON null, numbers at their limits and text that COPY could mistake come back as they went', async () => {
  const row = fullRow({
    request_body: null,
    stages: [],
    degraded: [],
    error_message: '\\N',
    endpoint: '',
    opa_latency_ms: 0.1 + 0.2,
    status_code: 0,
    decision_us: 2 ** 33 + 1,
    bytes_sent: Number.MAX_SAFE_INTEGER,
    actual_cost: -(2 ** 40) - 1,
    decision_bytes: Buffer.alloc(300_000, 'x'),
  })
  await writer.write(batchOf({ rows: [row] }))
  expect(await stored(row.request_id)).toStrictEqual([row])
})

test('AU-1 a batch that is written twice leaves one of everything', async () => {
  const batch = batchOf({ rows: [fullRow(), openRow()] })
  expect(await writer.write(batch)).toEqual({ rows: 2, completed: 0, ended: 0 })
  expect(await writer.write(batch)).toEqual({ rows: 0, completed: 0, ended: 0 })
  for (const row of batch.rows) expect(await stored(row.request_id)).toHaveLength(1)
  const roots = await all(reader.roots({ from: batch.root.number }))
  expect(roots.map(({ created_at, ...root }) => root)).toStrictEqual([batch.root])
})

test('AU-1 of two rows with one key the first stays', async () => {
  const first = fullRow()
  const second = { ...first, outcome: 'unknown' as const }
  expect(await writer.write(batchOf({ rows: [first] }))).toMatchObject({ rows: 1 })
  expect(await writer.write(batchOf({ rows: [second, fullRow()] }))).toMatchObject({ rows: 1 })
  expect(await stored(first.request_id)).toStrictEqual([first])
  const twins = fullRow()
  expect(await writer.write(batchOf({ rows: [twins, twins] }))).toMatchObject({ rows: 1 })
})

test('AU-1 a batch is all or nothing: with a refused row in it, neither its good rows nor its root are written', async () => {
  const good = fullRow()
  const before = await lastRoot()
  const refused = writer.write(batchOf({ rows: [good, fullRow({ correlation_id: 'x\u0000y' })] }))
  await expect(refused).rejects.toThrow(RowRefused)
  expect(await stored(good.request_id)).toEqual([])
  expect(await lastRoot()).toBe(before)
  // The same connection goes on.
  expect(await writer.write(batchOf({ rows: [good] }))).toMatchObject({ rows: 1 })
})

test('AU-8 what a row can be refused for is told apart by its SQLSTATE and never repeats the row', async () => {
  const CANARY = 'canary-5d1'
  const refusals = [
    ['22021', fullRow({ endpoint: `${CANARY}\u0000` })],
    ['22P05', fullRow({ stages: { [CANARY]: '\u0000' } })],
    // No index holds more than 2,704 bytes; random enough not to be compressed below that.
    ['54000', fullRow({ correlation_id: CANARY + Array.from({ length: 3_000 }, () => Math.random()).join('') })],
    ['23514', fullRow({ email: CANARY, verdict: 'maybe' as 'pass' })],
    ['23514', fullRow({ email: CANARY, response_body: { secret: CANARY } as never })],
    [NOT_ENCODABLE, fullRow({ email: CANARY, id: 'no-uuid' })],
    [NOT_ENCODABLE, fullRow({ email: CANARY, status_code: 2 ** 31 })],
    [NOT_ENCODABLE, fullRow({ email: CANARY, timestamp: NOON + 0.5 })],
  ] as const
  for (const [sqlstate, row] of refusals) {
    const error = await writer.write(batchOf({ rows: [row] })).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(RowRefused)
    expect(error).toMatchObject({ sqlstate })
    expect(Object.values(Object(error)).concat(String(error)).join()).not.toContain(CANARY)
    expect(Object(error).cause).toBeUndefined()
  }
})

test('AU-8 a refused row is not repeated even where PostgreSQL repeats it', async () => {
  const error = await asOwner(database, (owner) =>
    owner.query(`CREATE TEMP TABLE t (a text CHECK (a = 'x')); INSERT INTO t VALUES ('canary')`),
  ).catch((caught: unknown) => caught)
  expect(error).toMatchObject({ detail: 'Failing row contains (canary).' })
  const told = storeError(error, 'writing')
  expect(told).toMatchObject({ sqlstate: '23514' })
  expect(inspect(told, { depth: 9 })).not.toContain('canary')
})

test('AU-8 a row that has no wire form is named, so that nothing needs to be bisected', async () => {
  const bad = fullRow({ bytes_sent: Number.NaN })
  const error = await writer.write(batchOf({ rows: [fullRow(), bad] })).catch((caught: unknown) => caught)
  expect(error).toMatchObject({ rows: [{ timestamp: bad.timestamp, id: bad.id }] })
})

test('AU-4 a row of a month without partition names the month; once the maintainer made it, the same batch goes in', async () => {
  const batch = batchOf({ rows: [fullRow(), fullRow({ timestamp: Date.UTC(2031, 0, 1) * 1000 - 1 })] })
  const error = await writer.write(batch).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(PartitionMissing)
  expect(error).toMatchObject({ months: ['2026-11', '2030-12'] })
  await openMaintainer(database.urls.maintainer).ensure(NOON, ['2026-11', '2030-12'])
  expect(await writer.write(batch)).toMatchObject({ rows: 2 })
})

test('AU-8 another root under the same number is an error that names the cure, and nothing of the batch is written', async () => {
  const first = batchOf({})
  await writer.write(first)
  const row = fullRow()
  const other = writer.write({ ...first, rows: [row], root: { ...first.root, root: Buffer.alloc(32, 0xee) } })
  await expect(other).rejects.toThrow(RootTaken)
  await expect(other).rejects.toThrow(`batch ${first.root.number} of node gw-1`)
  expect(await stored(row.request_id)).toEqual([])
})

test('AU-8 a recorder without its folder learns the newest root of its own node', async () => {
  expect(await writer.lastRoot('gw-of-nobody')).toBeUndefined()
  await writer.write(batchOf({ root: rootOf(3, { node: 'gw-2' }) }))
  await writer.write(batchOf({ root: rootOf(12, { node: 'gw-2' }) }))
  expect(await writer.lastRoot('gw-2')).toEqual({ number: 12, root: rootOf(12).root })
})

test('AU-1 nobody there, a wrong password and a missing table are all "later", with their reason', async () => {
  const wrong = new URL(database.urls.writer.reveal())
  wrong.password = 'wrong'
  const nobody = new URL(database.urls.writer.reveal())
  nobody.port = '1'
  const elsewhere = new URL(database.urls.writer.reveal())
  elsewhere.pathname = '/nowhere'
  for (const [url, sqlstate] of [
    [wrong, '28P01'],
    [nobody, undefined],
    [elsewhere, '3D000'],
  ] as const) {
    const other = openWriter(new Secret(url.href))
    const error = await other.write(batchOf({ rows: [fullRow()] })).catch((caught: unknown) => caught)
    other.close()
    expect(error).toBeInstanceOf(StoreAway)
    expect(error).toMatchObject({ sqlstate })
    expect(String(error)).not.toContain(url.password)
  }
})

test('AU-1 a database URL that is none is refused without being repeated', () => {
  expect(() => openReader(new Secret('postgres//u:hunter2@h/d'))).toThrow('must look like postgres://')
  expect(() => openReader(new Secret('postgres//u:hunter2@h/d'))).not.toThrow('hunter2')
})

test('AU-1 a batch that waits for a lock gives up, is "later", and goes in when the lock is gone', async () => {
  const impatient = openWriter(database.urls.writer, { lockMs: 100 })
  const batch = batchOf({ rows: [fullRow()] })
  await asOwner(database, async (owner) => {
    await owner.query('BEGIN; LOCK TABLE sallyport.gateway_audit_logs IN ACCESS EXCLUSIVE MODE')
    const error = await impatient.write(batch).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(StoreAway)
    expect(error).toMatchObject({ sqlstate: '55P03' })
    await owner.query('ROLLBACK')
  })
  expect(await impatient.write(batch)).toMatchObject({ rows: 1 })
  impatient.close()
})

test('AU-1 a server that stopped answering is given up after the limit, and its connection with it', async () => {
  const impatient = openWriter(database.urls.writer, { writeMs: 300, connectMs: 300 })
  await impatient.write(batchOf({ rows: [fullRow()] }))
  const pids = await backends()
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  try {
    const error = await impatient.write(batchOf({ rows: [fullRow()] })).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(StoreAway)
    expect(await impatient.write(batchOf({ rows: [fullRow()] }))).toMatchObject({ rows: 1 })
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT')
    impatient.close()
  }
})

test('AU-1 PostgreSQL killed and started again: the same writer and reader go on by themselves', async () => {
  const batch = batchOf({ rows: [fullRow()] })
  await writer.write(batch)
  await database.postgres.kill()
  await expect(writer.write(batch)).rejects.toThrow(StoreAway)
  await expect(stored(batch.rows[0]?.request_id)).rejects.toThrow(StoreAway)
  await database.postgres.start()
  const written = await until('the writer is back', () => writer.write(batch).catch(() => undefined))
  expect(written).toEqual({ rows: 0, completed: 0, ended: 0 })
  expect(await stored(batch.rows[0]?.request_id)).toStrictEqual([...batch.rows])
})

test('AU-1 connections that are closed while a large batch is on its way: "later", and then all rows once', async () => {
  const rows = Array.from({ length: 3_000 }, (_, index) =>
    fullRow({ timestamp: NOON + index, correlation_id: 'large' }),
  )
  const batch = batchOf({ rows })
  const writing = writer.write(batch).catch((caught: unknown) => caught)
  for (const pid of await backends()) process.kill(pid, 'SIGTERM')
  expect(await writing).toBeInstanceOf(StoreAway)
  await until('the writer is back', () => writer.write(batch).catch(() => undefined))
  expect(await reader.count({ correlation: 'large' }, ADMIN)).toBe(3_000)
})

/** Processes of the server that serve writers. */
const backends = (): Promise<number[]> =>
  asOwner(database, async (owner) => {
    const { rows } = await owner.query<{ pid: number }>(`SELECT pid FROM pg_stat_activity WHERE usename = 'writer'`)
    return rows.map(({ pid }) => pid)
  })
