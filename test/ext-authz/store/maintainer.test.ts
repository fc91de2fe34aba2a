import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AuditRow } from '../../../ext-authz/store/audit-row.ts'
import type { DroppedMonth } from '../../../ext-authz/store/batch.ts'
import { NOT_SIGNED, RowRefused, StoreAway } from '../../../ext-authz/store/errors.ts'
import { type AuditMaintainer, openMaintainer } from '../../../ext-authz/store/maintainer.ts'
import { type AuditReader, openReader } from '../../../ext-authz/store/reader.ts'
import { type AuditWriter, openWriter } from '../../../ext-authz/store/writer.ts'
import { type AuditDatabase, as, asOwner, startAuditDatabase } from './database.ts'
import { batchOf, fullRow, NOON, openRow } from './rows.ts'

const ADMIN = { role: 'admin' } as const
const micros = (year: number, month: number) => Date.UTC(year, month - 1) * 1000

let database: AuditDatabase
let maintainer: AuditMaintainer
let writer: AuditWriter
let reader: AuditReader

beforeAll(async () => {
  database = await startAuditDatabase()
  maintainer = openMaintainer(database.urls.maintainer)
  writer = openWriter(database.urls.writer)
  reader = openReader(database.urls.reader)
})

afterAll(async () => {
  writer?.close()
  await reader?.close()
  await database?.postgres.end()
})

const tables = async () => {
  const { rows } = await asOwner(database, (owner) =>
    owner.query<{ name: string }>(`SELECT relname AS name FROM pg_class WHERE relkind = 'r'
      AND relname LIKE 'gateway\\_audit\\_logs\\_%' ORDER BY 1`),
  )
  return rows.map(({ name }) => name.replace('gateway_audit_logs_', ''))
}

/** Signs as the recorder does it: a `dropped` root that the store has. */
const signed: DroppedMonth[] = []
const sign = async (month: DroppedMonth) => {
  signed.push(month)
  const root = {
    ...batchOf({}).root,
    kind: 'dropped' as const,
    leaves: Buffer.from(JSON.stringify(month)),
    leaf_count: 0,
  }
  await writer.write(batchOf({ root }))
}

test('AU-4 the current month and three after it are made ahead, over the end of a year, once', async () => {
  expect(await maintainer.ensure(NOON)).toBe(3)
  expect(await tables()).toEqual(['2026_11', '2026_12', '2027_01', '2027_02'])
  expect(await maintainer.ensure(NOON)).toBe(3)
  expect(await maintainer.ensure(micros(2026, 12))).toBe(3)
  expect(await tables()).toEqual(['2026_11', '2026_12', '2027_01', '2027_02', '2027_03'])
})

test('AU-4 a month that is asked for is made besides; months ahead are counted without a gap', async () => {
  expect(await maintainer.ensure(NOON, ['2027-05', '2019-06'])).toBe(4)
  expect(await tables()).toEqual(expect.arrayContaining(['2019_06', '2027_05']))
})

test('AU-4 a month that no right clock could show is refused', async () => {
  await expect(maintainer.ensure(NOON, ['1970-01'])).rejects.toThrow(RowRefused)
  await expect(maintainer.ensure(NOON, ['2200-01'])).rejects.toThrow(RowRefused)
})

test('AU-4 two maintainers at once make each month once', async () => {
  const made = await Promise.all([1, 2, 3, 4].map(() => maintainer.ensure(micros(2028, 1))))
  expect(made).toEqual([3, 3, 3, 3])
})

test('AU-4 months end in UTC, to the µs, whatever time zone the session has', async () => {
  const last = fullRow({ timestamp: micros(2026, 12) - 1 })
  const next = fullRow({ timestamp: micros(2026, 12) })
  const inTokyo = await as(database.urls.maintainer, async (client) => {
    await client.query(`SET timezone = 'Asia/Tokyo'`)
    return (await client.query(`SELECT sallyport.make_gateway_audit_month('2026-10-31') AS made`)).rows
  })
  expect(inTokyo).toEqual([{ made: true }])
  const october = fullRow({ timestamp: micros(2026, 11) - 1 })
  await writer.write(batchOf({ rows: [last, next, october] }))
  const { rows } = await asOwner(database, async (owner) => {
    await owner.query(
      'BEGIN; SET LOCAL ROLE sallyport_keeper; ALTER TABLE sallyport.gateway_audit_logs NO FORCE ROW LEVEL SECURITY',
    )
    const found = await owner.query('SELECT id, tableoid::regclass::text AS part FROM sallyport.gateway_audit_logs')
    await owner.query('ROLLBACK')
    return found
  })
  const part = (row: AuditRow) => rows.find(({ id }) => id === row.id)?.part
  expect(part(last)).toBe('sallyport.gateway_audit_logs_2026_11')
  expect(part(next)).toBe('sallyport.gateway_audit_logs_2026_12')
  expect(part(october)).toBe('sallyport.gateway_audit_logs_2026_10')
})

test('AU-4 making a month waits for no reader and no writer', async () => {
  const stream = reader.stream({}, ADMIN)
  await stream.next()
  await as(database.urls.writer, async (client) => {
    await client.query('BEGIN')
    await client.query(
      `INSERT INTO gateway_audit_logs (timestamp, id, node, outcome) VALUES ('2026-11-02Z', gen_random_uuid(), 'x', 'open')`,
    )
    await maintainer.ensure(NOON, ['2029-01'])
    await client.query('ROLLBACK')
  })
  await stream.return()
  expect(await tables()).toContain('2029_01')
})

test('AU-5 every partition has row-level security, forced, no policy, no grant and both triggers', async () => {
  const { rows } = await asOwner(database, (owner) =>
    owner.query(`SELECT c.relname, relrowsecurity, relforcerowsecurity, relacl,
        (SELECT count(*)::int FROM pg_policy WHERE polrelid = c.oid) AS policies,
        (SELECT array_agg(tgname::text ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid) AS triggers,
        pg_get_userbyid(relowner) AS owner
      FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid WHERE inhparent = 'sallyport.gateway_audit_logs'::regclass`),
  )
  expect(rows.length).toBeGreaterThan(6)
  const expected = {
    relrowsecurity: true,
    relforcerowsecurity: true,
    relacl: null,
    policies: 0,
    owner: 'sallyport_keeper',
  }
  for (const row of rows) expect(row).toMatchObject({ ...expected, triggers: ['rows_stay', 'table_stays'] })
})

test('AU-4 a month wholly older than the limit goes, after its signed entry; the month that holds the limit stays', async () => {
  const old = [fullRow({ timestamp: micros(2019, 6) }), openRow({ timestamp: micros(2019, 7) - 1 })]
  await maintainer.ensure(NOON, ['2019-07'])
  const kept = fullRow({ timestamp: micros(2019, 7) })
  await writer.write(batchOf({ rows: [...old, kept] }))
  const seen: { rows: number; tables: string[] }[] = []
  const dropped = await maintainer.retire(micros(2019, 7) + 1, async (month) => {
    // Nobody sees the month any more, and it is there until the entry is written.
    seen.push({ rows: await reader.count({ to: micros(2019, 7) }, ADMIN), tables: await tables() })
    await sign(month)
  })
  expect(dropped).toEqual([{ month: '2019-06', rows: 2, digest: digestOf(old) }])
  expect(seen).toEqual([{ rows: 0, tables: expect.arrayContaining(['2019_06_retired']) }])
  expect(await tables()).not.toContain('2019_06_retired')
  expect((await tables())[0]).toBe('2019_07')
  expect(await reader.search({ to: micros(2020, 1) }, ADMIN, 10)).toStrictEqual([kept])
})

/** As migrations/0004_months.sql says it. */
function digestOf(rows: readonly AuditRow[]): string {
  const minutes = Map.groupBy(
    rows.toSorted((a, b) => a.timestamp - b.timestamp),
    ({ timestamp }) => Math.floor(timestamp / 60_000_000),
  )
  let digest = Buffer.alloc(32)
  for (const minute of minutes.values()) {
    const inner = Buffer.concat(minute.map(leafBytes))
    digest = hash(Buffer.concat([digest, hash(inner)]))
  }
  return digest.toString('hex')
}

function leafBytes(row: AuditRow): Buffer {
  const at = Buffer.alloc(8)
  at.writeBigInt64BE(BigInt(row.timestamp))
  const id = Buffer.from(row.id.replaceAll('-', ''), 'hex')
  return Buffer.concat([at, id, row.decision_hash ?? Buffer.alloc(32), row.completion_hash ?? Buffer.alloc(32)])
}

const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest()

test('AU-4 a retirement that was cut off is finished by the next one, with the same digest', async () => {
  await maintainer.ensure(NOON, ['2018-03'])
  await writer.write(batchOf({ rows: [fullRow({ timestamp: micros(2018, 3) + 5 })] }))
  const cut = maintainer.retire(micros(2018, 4), () => Promise.reject(new Error('killed')))
  await expect(cut).rejects.toThrow('killed')
  expect(await tables()).toContain('2018_03_retired')
  // A straggler of that month makes it anew, and does not stand in the way.
  await maintainer.ensure(NOON, ['2018-03'])
  const [again] = await maintainer.retire(0, sign)
  expect(again).toMatchObject({ month: '2018-03', rows: 1 })
  expect(await tables()).toContain('2018_03')
  expect(await maintainer.retire(micros(2018, 4), sign)).toMatchObject([{ month: '2018-03', rows: 0 }])
})

test('AU-4 without a signed entry in the database a month is not dropped', async () => {
  await maintainer.ensure(NOON, ['2017-03'])
  await writer.write(batchOf({ rows: [fullRow({ timestamp: micros(2017, 3) })] }))
  const unsigned = maintainer.retire(micros(2017, 4), () => Promise.resolve())
  await expect(unsigned).rejects.toMatchObject({ sqlstate: NOT_SIGNED })
  expect(await tables()).toContain('2017_03_retired')
  const lied = maintainer.retire(0, (month) => sign({ ...month, digest: '00'.repeat(32) }))
  await expect(lied).rejects.toMatchObject({ sqlstate: NOT_SIGNED })
  expect(await maintainer.retire(0, sign)).toHaveLength(1)
})

test('AU-4 a month that ended less than 30 days ago cannot be retired, whoever asks', async () => {
  const now = Date.now() * 1000
  await maintainer.ensure(now)
  await expect(maintainer.retire(now + 5e15, sign)).rejects.toMatchObject({ sqlstate: '22023' })
})

test('AU-4 somebody who reads the table keeps a month from being retired, for 2 s at most, and keeps no insert waiting longer', async () => {
  await maintainer.ensure(NOON, ['2016-03'])
  const stream = reader.stream({}, ADMIN)
  await stream.next()
  const retiring = maintainer.retire(micros(2016, 4), sign).catch((caught: unknown) => caught)
  const writing = writer.write(batchOf({ rows: [fullRow()] }))
  expect(await retiring).toBeInstanceOf(StoreAway)
  expect(await retiring).toMatchObject({ sqlstate: '55P03' })
  expect(await writing).toMatchObject({ rows: 1 })
  await stream.return()
  expect(await maintainer.retire(micros(2016, 4), sign)).toHaveLength(1)
})

test('AU-4 one maintainer retires at a time', async () => {
  await maintainer.ensure(NOON, ['2015-03'])
  const second: unknown[] = []
  const first = await maintainer.retire(micros(2015, 4), async (month) => {
    second.push(await maintainer.retire(micros(2015, 4), sign))
    await sign(month)
  })
  expect(second).toEqual([[]])
  expect(first).toHaveLength(1)
})
