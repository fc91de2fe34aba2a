import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AuditRow, COMPLETION_COLUMNS } from '../../../ext-authz/store/audit-row.ts'
import type { LateCompletion } from '../../../ext-authz/store/batch.ts'
import { NO_SUCH_ROW, NOT_OPEN, RowRefused } from '../../../ext-authz/store/errors.ts'
import type { AuditReader } from '../../../ext-authz/store/reader.ts'
import type { AuditWriter } from '../../../ext-authz/store/writer.ts'
import { type AuditStore, startAuditStore } from './database.ts'
import { batchOf, completionOf, fullRow, NOON, openRow } from './rows.ts'

let store: AuditStore
let writer: AuditWriter
let reader: AuditReader

beforeAll(async () => {
  store = await startAuditStore()
  ;({ writer, reader } = store)
})

afterAll(() => store?.end())

const stored = async (row: AuditRow) =>
  (await reader.search({ request: row.request_id }, { role: 'admin' }, 10)).find(({ id }) => id === row.id)

const write = async (...rows: AuditRow[]) => {
  await writer.write(batchOf({ rows }))
  return rows[0] as AuditRow
}

const complete = (...late: LateCompletion[]) => writer.write(batchOf({ late }))

const refusal = (late: LateCompletion[]) => complete(...late).catch((caught: unknown) => caught)

test('AU-1 a completion that comes late fills every column that only the log knows, and the row is completed', async () => {
  const row = await write(openRow())
  const late = completionOf(row)
  expect(await complete(late)).toEqual({ rows: 0, completed: 1, ended: 0 })
  expect(await stored(row)).toStrictEqual({ ...row, ...late })
})

test('AU-1 the same completion again changes nothing and is no error', async () => {
  const row = await write(openRow())
  const late = completionOf(row)
  await complete(late)
  expect(await complete(late, late)).toEqual({ rows: 0, completed: 0, ended: 0 })
  expect(await stored(row)).toStrictEqual({ ...row, ...late })
})

test('AU-1 a completion of a row that was given up is taken all the same', async () => {
  const row = await write(openRow({ outcome: 'unknown' }))
  expect(await complete(completionOf(row))).toMatchObject({ completed: 1 })
  expect(await stored(row)).toMatchObject({ outcome: 'completed', status_code: 201 })
})

test('AU-1 row and late completion in one batch, and that batch twice', async () => {
  const row = openRow()
  const batch = batchOf({ rows: [row], late: [completionOf(row)] })
  expect(await writer.write(batch)).toEqual({ rows: 1, completed: 1, ended: 0 })
  expect(await writer.write(batch)).toEqual({ rows: 0, completed: 0, ended: 0 })
  expect(await stored(row)).toMatchObject({ outcome: 'completed' })
})

test('AU-8 completions without row are all named, and nothing of their batch is written', async () => {
  const row = await write(openRow())
  const [one, two] = [openRow(), openRow()]
  const error = await refusal([completionOf(one), completionOf(row), completionOf(two)])
  expect(error).toBeInstanceOf(RowRefused)
  const keys = [one, two].map(({ timestamp, id }) => ({ timestamp, id })).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  expect(error).toMatchObject({ sqlstate: NO_SUCH_ROW, rows: keys })
  expect(await stored(row)).toStrictEqual(row)
})

test('AU-8 a second, different completion is refused, and the first stays', async () => {
  const row = await write(openRow())
  const first = completionOf(row)
  await complete(first)
  const second = completionOf(row, { status_code: 500, completion_hash: Buffer.alloc(32, 9) })
  expect(await refusal([second])).toMatchObject({
    sqlstate: NOT_OPEN,
    rows: [{ timestamp: row.timestamp, id: row.id }],
  })
  expect(await stored(row)).toStrictEqual({ ...row, ...first })
})

test('AU-8 a row that was given up and has a completion all the same keeps that one', async () => {
  const row = await write(fullRow({ outcome: 'unknown' }))
  expect(await refusal([completionOf(row)])).toMatchObject({ sqlstate: NOT_OPEN })
  expect(await stored(row)).toStrictEqual(row)
})

test('AU-8 only rows that wait for a completion can be completed', async () => {
  const noHash = { completion_hash: undefined, completion_bytes: undefined }
  for (const outcome of ['completed', 'envoy', 'skipped', 'bypass_suspect'] as const) {
    const row = await write(fullRow({ outcome, ...noHash }))
    expect(await refusal([completionOf(row)]), outcome).toMatchObject({ sqlstate: NOT_OPEN })
    expect(await stored(row)).toStrictEqual(row)
  }
})

test('AU-8 a completion fills empty columns only, but the status that came back replaces the one that was decided', async () => {
  const decided = { status_code: 403, problem: 'forbidden', error_type: 'forbidden', error_message: 'no such role' }
  const row = await write(openRow({ ...decided, verdict: 'deny' }))
  const other = { status_code: 0, problem: 'other', error_type: 'other', error_message: 'other' }
  const late = completionOf(row, { ...other, upstream_host: undefined })
  await complete(late)
  expect(await stored(row)).toStrictEqual({ ...row, ...late, ...decided, status_code: 0 })
})

test('AU-1 a refused request that reached an upstream all the same is a suspected bypass, however late that is known', async () => {
  const row = await write(openRow({ verdict: 'deny' }))
  await complete(completionOf(row, { upstream_host: '10.0.0.1:80' }))
  expect((await stored(row))?.outcome).toBe('bypass_suspect')
})

test('AU-8 a completion cannot touch what the decision wrote', async () => {
  const row = await write(openRow())
  const late = { ...completionOf(row), user_id: 'intruder', verdict: 'deny', decision_hash: 'x' } as LateCompletion
  await complete(late)
  const kept = Object.entries(row).filter(
    ([name]) => name !== 'outcome' && !(COMPLETION_COLUMNS as readonly string[]).includes(name),
  )
  expect(await stored(row)).toMatchObject(Object.fromEntries(kept))
})

test('AU-8 a completion without hash is refused', async () => {
  const row = await write(openRow())
  expect(await refusal([completionOf(row, { completion_hash: undefined })])).toBeInstanceOf(RowRefused)
  expect(await stored(row)).toStrictEqual(row)
})

test('AU-1 the end of an Envoy ends the open rows of its node from before it, and no others', async () => {
  const before = NOON + 1_000_000
  const mine = openRow({ node: 'ending', timestamp: before - 1 })
  const after = openRow({ node: 'ending', timestamp: before })
  const other = openRow({ node: 'other', timestamp: before - 1 })
  const completed = fullRow({ node: 'ending', timestamp: before - 1 })
  await write(mine, after, other, completed)
  const batch = batchOf({ ended: [{ node: 'ending', before }] })
  expect(await writer.write(batch)).toEqual({ rows: 0, completed: 0, ended: 1 })
  expect(await writer.write(batch)).toEqual({ rows: 0, completed: 0, ended: 0 })
  expect(await stored(mine)).toStrictEqual({ ...mine, outcome: 'unknown' })
  for (const row of [after, other, completed]) expect(await stored(row)).toStrictEqual(row)
})

test('AU-1 what is completed and ended in one batch is completed', async () => {
  const row = await write(openRow({ node: 'both' }))
  const ended = [{ node: 'both', before: NOON + 1 }]
  expect(await writer.write(batchOf({ late: [completionOf(row)], ended }))).toEqual({ rows: 0, completed: 1, ended: 0 })
  expect(await stored(row)).toMatchObject({ outcome: 'completed' })
})
