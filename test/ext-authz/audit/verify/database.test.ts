import { randomUUID } from 'node:crypto'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { halfHash } from '../../../../ext-authz/audit/keys.ts'
import { rowOf } from '../../../../ext-authz/audit/projection.ts'
import type { KnownHead } from '../../../../ext-authz/audit/verify/chain.ts'
import { type DatabaseCounts, verifyDatabase } from '../../../../ext-authz/audit/verify/database.ts'
import type { AuditFault } from '../../../../ext-authz/audit/verify/fault.ts'
import { parkedKey } from '../../../../ext-authz/audit/verify/recorder.ts'
import type { AuditRow } from '../../../../ext-authz/store/audit-row.ts'
import { openMaintainer } from '../../../../ext-authz/store/maintainer.ts'
import { type AuditReader, openReader } from '../../../../ext-authz/store/reader.ts'
import { type AuditWriter, openWriter } from '../../../../ext-authz/store/writer.ts'
import { envoyOnly, History, leavesOf, NOON, request, supersededLeaf } from '../../../admin-ui/cli/audit/history.ts'
import { type AuditDatabase, startAuditDatabase } from '../../store/database.ts'

let database: AuditDatabase
let writer: AuditWriter
let reader: AuditReader

beforeAll(async () => {
  database = await startAuditDatabase()
  writer = openWriter(database.urls.writer)
  reader = openReader(database.urls.reader)
  await openMaintainer(database.urls.maintainer).ensure(NOON)
})

afterAll(async () => {
  writer.close()
  await reader.close()
  await database.postgres.end()
})

/** A history of a node that no other test has. */
const newHistory = () => new History(writer, `n-${randomUUID()}`)

interface Verified {
  readonly faults: readonly AuditFault[]
  /** Those about other nodes too. */
  readonly all: readonly AuditFault[]
  readonly counts: DatabaseCounts
}

/** Verifies everything; gives the findings about this node. */
function verify({ node, key }: Pick<History, 'node' | 'key'>, head?: KnownHead, range: object = {}): Promise<Verified> {
  const heads = head === undefined ? [] : [head]
  return reader.snapshot({ role: 'admin' }, async (view) => {
    const keys = new Map([[key.id, key.public]])
    const run = verifyDatabase(view, { keys, heads, parked: new Set(), ...range, onRow: () => undefined })
    const all: AuditFault[] = []
    for (;;) {
      const { done, value } = await run.next()
      if (done) return { faults: all.filter((fault) => fault.node === node), all, counts: value }
      all.push(value)
    }
  })
}

const kinds = ({ faults }: Verified) => faults.map(({ kind }) => kind)

/** What somebody does who owns the tables and takes the triggers away. */
async function asOwner(statement: string, values: readonly unknown[]): Promise<void> {
  const client = new Client({ connectionString: database.postgres.ownerUrl })
  await client.connect()
  try {
    const tables = ['gateway_audit_logs', 'audit_batch_roots']
    const triggers = (what: string) =>
      tables.map((table) => `ALTER TABLE sallyport.${table} ${what} TRIGGER rows_stay`).join(';')
    await client.query(`BEGIN; ${triggers('DISABLE')}`)
    const { rowCount } = await client.query(statement, [...values])
    if (rowCount !== 1) throw new Error(`${statement} changed ${rowCount} rows`)
    await client.query(`${triggers('ENABLE')}; COMMIT`)
  } finally {
    await client.end()
  }
}

const edit = (row: AuditRow | undefined, set: string, ...values: unknown[]) =>
  asOwner(`UPDATE sallyport.gateway_audit_logs SET ${set} WHERE id = $1`, [row?.id, ...values])

const editRoot = (node: string, number: number, set: string, ...values: unknown[]) =>
  asOwner(`UPDATE sallyport.audit_batch_roots SET ${set} WHERE node = $1 AND number = $2`, [node, number, ...values])

test('AU-8 what a recorder wrote is clean: halves together and apart, Envoy’s own answers, retried Checks, repeated batches', async () => {
  const history = newHistory()
  const node = history.node
  const late = request({}, {}, node)
  const refused = request({ verdict: 'deny', status: 403, problem: 'permission-denied', detail: 'No.' }, {}, node)
  const retried = request({}, {}, node)
  await history.write([
    request({}, {}, node),
    envoyOnly(),
    { ...late, line: undefined },
    { ...refused, line: undefined },
  ])
  await history.write([retried], [late, refused])
  const first = history.row(retried)
  // The second worker's decision, and the same row again: a recorder that was killed before it moved its cursors.
  await history.writeBatch([first], [], [supersededLeaf(node, retried, Buffer.alloc(32, 7)), ...leavesOf(first)])
  const { faults, counts } = await verify(history, history.head)
  expect(faults).toEqual([])
  expect(counts.nodes).toContain(node)
})

test('AU-8 a decision may stand in a row that a batch signed as superseded, before or after the row is read', async () => {
  const history = newHistory()
  const { node } = history
  const rows = [1, 2, 3, 4, 5, 6].map(() => history.row(request({}, {}, node)))
  const superseded = (row: AuditRow) =>
    leavesOf(row).map((leaf) => (leaf.kind === 'decision' ? { ...leaf, kind: 'superseded' as const } : leaf))
  await history.writeBatch(rows, [], rows.slice(1).flatMap(superseded))
  await history.writeBatch([], [], rows.slice(0, 1).flatMap(superseded))
  expect(await verify(history)).toMatchObject({ faults: [] })
  const forged = Buffer.from('{"v":1}')
  await edit(rows[2], 'decision_bytes = $2, decision_hash = $3', forged, halfHash(forged))
  expect(kinds(await verify(history))).toContain('added row')
})

const EDITS: readonly [what: string, set: string, value: unknown, message: string][] = [
  ['the status', 'status_code = $2', 403, 'status_code is 403, its bytes say 200'],
  ['who it was', 'user_id = $2', 'bert', 'user_id is "bert", its bytes say "anna"'],
  ['a value taken away', 'email = $2', null, 'email is NULL, its bytes say "anna@acme.test"'],
  ['what a stage read', 'stages = $2', '[]', 'stages is []'],
  ['a list', 'roles = $2', ['admin'], 'roles is ["admin"], its bytes say ["viewer"]'],
  ['the outcome', 'outcome = $2', 'unknown', 'outcome is "unknown", its bytes say "completed"'],
  ['the event', 'event_id = $2', 'x.y.1', 'event_id is "x.y.1"'],
  ['a number’s last digit', 'total_latency_ms = $2', 12.346, 'total_latency_ms is 12.346, its bytes say 12.345'],
  ['a stored hash', 'decision_hash = $2', Buffer.alloc(32), 'decision_hash is \\x00'],
]

test.each(EDITS)('AU-8 an updated row is named with its column and both values: %s', async (_, set, value, message) => {
  const history = newHistory()
  const [row] = await history.write([request({}, {}, history.node), request({}, {}, history.node)])
  await edit(row, set, value)
  const { faults } = await verify(history)
  expect(faults[0]).toMatchObject({ kind: 'edited row', row: { id: row?.id } })
  expect(faults[0]?.message).toContain(message)
  expect(new Set(faults.map((fault) => fault.row?.id)).size).toBe(1)
})

test('AU-8 bytes that were changed alone are named, and those that make no row', async () => {
  const history = newHistory()
  const [one, two] = await history.write([request({}, {}, history.node), request({}, {}, history.node)])
  await edit(one, "completion_bytes = replace(convert_from(completion_bytes, 'UTF8'), ':200,', ':201,')::bytea")
  await edit(two, "decision_bytes = '{'")
  const { faults } = await verify(history)
  const of = (row: AuditRow | undefined) => faults.filter((fault) => fault.row?.id === row?.id).map((f) => f.message)
  expect(of(one)).toEqual([
    expect.stringMatching(/^completion_hash is .x\w+…?, the SHA-256 of completion_bytes is /),
    'status_code is 200, its bytes say 201',
  ])
  expect(of(two)).toEqual([expect.stringContaining('its bytes make no row')])
})

test.each([0, 4])(
  'AU-8 a DBA who rewrites a row and its hashes so that all fits is named: no batch signed that (row %i)',
  async (place) => {
    const history = newHistory()
    const node = history.node
    const requests = [0, 1, 2, 3, 4].map(() => request({}, {}, node))
    const row = (await history.write(requests))[place]
    const was = requests[place]
    const decision = Buffer.from(String(was?.decision).replace('"anna"', '"bert"'))
    const forged = rowOf(node, { json: decision, event: was?.event ?? '' }, was?.line, 'completed')
    await edit(row, 'user_id = $2, decision_bytes = $3, decision_hash = $4', 'bert', decision, forged.decision_hash)
    const { faults } = await verify(history)
    expect(faults).toMatchObject([{ kind: 'rewritten row', row: { id: row?.id } }])
    expect(faults[0]?.message).toContain(halfHash(decision).toString('hex'))
  },
)

test('AU-8 a deleted row is named, and a half that was taken out of one', async () => {
  const history = newHistory()
  const node = history.node
  const rows = await history.write([request({}, {}, node), request({}, {}, node), request({}, {}, node)])
  await asOwner('DELETE FROM sallyport.gateway_audit_logs WHERE id = $1', [rows[1]?.id])
  const { faults } = await verify(history)
  expect(faults.map(({ kind, row }) => [kind, row?.id])).toEqual([
    ['deleted row', rows[1]?.id],
    ['deleted row', rows[1]?.id],
  ])
  const open = rowOf(node, undefined, rows[0]?.completion_bytes, 'envoy')
  await edit(rows[0], 'decision_bytes = NULL, decision_hash = NULL, outcome = $2, verdict = NULL', open.outcome)
  expect(kinds(await verify(history))).toContain('deleted row')
})

test('AU-8 an added row is named, also of a node that never wrote a batch', async () => {
  const history = newHistory()
  const row = history.row(request({}, {}, history.node))
  await history.writeBatch([row, history.row(request({}, {}, history.node))], [], leavesOf(row))
  expect(kinds(await verify(history))).toEqual(['added row', 'added row'])
  const stranger = newHistory()
  const strange = stranger.row(request({}, {}, stranger.node))
  // Signed by the other one: its batch holds a row of a node that is not its own.
  await history.writeBatch([strange], [], [])
  expect(kinds(await verify(stranger))).toEqual(['added row'])
})

test('AU-8 a batch whose root, leaves or signature was changed is named, and one that does not follow', async () => {
  for (const [set, value, message] of [
    ['root = $3', Buffer.alloc(32, 1), 'its root is not the hash of what it holds'],
    ['made_at = $3', '2026-01-01', 'its root is not the hash of what it holds'],
    ['signature = $3', Buffer.alloc(64), 'its signature was not made by its key'],
    ['leaf_count = $3', 9, 'leaf_count is not how many leaves it has'],
    ['previous = $3', Buffer.alloc(32, 5), 'it does not follow the root of batch 1'],
    ['leaves = $3', Buffer.alloc(3), 'leaf_count is not'],
  ] as const) {
    const history = newHistory()
    await history.write([request({}, {}, history.node)])
    await history.write([request({}, {}, history.node)])
    await editRoot(history.node, 2, set, value)
    const { faults } = await verify(history)
    expect(faults.filter(({ batch }) => batch === 2).map((fault) => [fault.kind, fault.message])).toContainEqual([
      'edited batch',
      expect.stringContaining(message),
    ])
  }
})

test('AU-8 a batch that is missing, swapped or cut off at the end is named', async () => {
  const history = newHistory()
  const { node } = history
  for (let batch = 0; batch < 4; batch++) await history.write([request({}, {}, node)])
  await asOwner('DELETE FROM sallyport.audit_batch_roots WHERE node = $1 AND number = 2', [node])
  const { faults } = await verify(history)
  expect(faults.map(({ kind, batch }) => [kind, batch])).toEqual([
    ['missing batch', 2],
    // Its rows are there still, and nobody vouches for them.
    ['added row', undefined],
    ['added row', undefined],
  ])
  await editRoot(node, 3, 'number = 99')
  await editRoot(node, 4, 'number = 3')
  await editRoot(node, 99, 'number = 4')
  const swapped = await verify(history)
  expect(swapped.faults.filter(({ kind }) => kind === 'edited batch').map(({ batch }) => batch)).toEqual([3, 4, 4])
})

test('AU-8 newest batches that are gone, and rows with them, are named where the recorder can be asked', async () => {
  const history = newHistory()
  const { node } = history
  await history.write([request({}, {}, node)])
  const [row] = await history.write([request({}, {}, node)])
  await asOwner('DELETE FROM sallyport.audit_batch_roots WHERE node = $1 AND number = 2', [node])
  await asOwner('DELETE FROM sallyport.gateway_audit_logs WHERE id = $1', [row?.id])
  expect(await verify(history)).toMatchObject({ faults: [] })
  const { all } = await verify(history, history.head)
  expect(all.filter(({ kind }) => kind === 'truncated batches')).toMatchObject([{ batch: 2 }])
})

test('AU-8 a row that PostgreSQL refused is told from a deleted one', async () => {
  const history = newHistory()
  const row = history.row(request({}, {}, history.node))
  await history.writeBatch([], [], leavesOf(row))
  expect(kinds(await verify(history))).toEqual(['deleted row', 'deleted row'])
  const parked = new Set([parkedKey(row)])
  expect(kinds(await verify(history, undefined, { parked }))).toEqual(['dead letter', 'dead letter'])
})

test('AU-8 batches of a key that was not given are not believed', async () => {
  const history = newHistory()
  await history.write([request({}, {}, history.node)])
  await history.write([request({}, {}, history.node)])
  const other = newHistory()
  expect(kinds(await verify({ node: history.node, key: other.key }))).toEqual(['unknown key'])
})

test('AU-8 rows of a month that a signed entry says was dropped are not missed; of another they are', async () => {
  const history = newHistory()
  const { node } = history
  const [may] = await history.write([request({}, {}, node)])
  const june = request({ at: Date.UTC(2026, 5, 3) * 1_000 }, {}, node)
  const [lost] = await history.write([june])
  await history.writeDropped({ month: '2026-05', rows: 1, digest: '00' })
  for (const row of [may, lost]) await asOwner('DELETE FROM sallyport.gateway_audit_logs WHERE id = $1', [row?.id])
  const { faults } = await verify(history)
  expect(new Set(faults.map(({ row }) => row?.id))).toEqual(new Set([lost?.id]))
})

test('AU-8 a time can be verified alone: faults outside it are not told, and no half is missed at its edges', async () => {
  const history = newHistory()
  const { node } = history
  const rows = await history.write([1, 2, 3, 4].map(() => request({}, {}, node)))
  const [first, second, , fourth] = rows
  await edit(first, 'status_code = $2', 500)
  await asOwner('DELETE FROM sallyport.gateway_audit_logs WHERE id = $1', [fourth?.id])
  const range = { from: second?.timestamp, to: fourth?.timestamp }
  expect(await verify(history, undefined, range)).toMatchObject({ faults: [] })
  expect(kinds(await verify(history, undefined, { to: second?.timestamp }))).toEqual(['edited row'])
})

test('AU-8 one request with a wrong clock, and rows that come hours later, are compared all the same', async () => {
  const history = newHistory()
  const { node } = history
  const hour = 3_600_000_000
  const long = request({ at: NOON - 3 * hour }, {}, node)
  await history.write([{ ...long, line: undefined }, request({ at: NOON + 9 * hour }, {}, node), request({}, {}, node)])
  await history.write([request({}, {}, node)], [long])
  expect(await verify(history)).toMatchObject({ faults: [] })
})

test('AU-8 more than may wait in memory ends the comparison, and says so; what comes after the last batch need not wait', async () => {
  const history = newHistory()
  const { node } = history
  const rows = [1, 2, 3].map(() => history.row(request({}, {}, node)))
  await history.writeBatch(rows, [], [])
  expect(kinds(await verify(history, undefined, { mostWaiting: 2 }))).toEqual(Array(6).fill('added row'))
  await history.write([request({}, {}, node)])
  expect(kinds(await verify(history, undefined, { mostWaiting: 6 }))).toEqual(Array(6).fill('added row'))
  const { faults } = await verify(history, undefined, { mostWaiting: 5 })
  expect(faults).toMatchObject([{ kind: 'not compared', row: { id: rows[0]?.id } }])
})
