import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { Spool } from '../../../../ext-authz/audit/spool/spool.ts'
import type { AuditRow } from '../../../../ext-authz/store/audit-row.ts'
import { openMaintainer } from '../../../../ext-authz/store/maintainer.ts'
import { type AuditWriter, openWriter } from '../../../../ext-authz/store/writer.ts'
import { createLog } from '../../../../runtime/log.ts'
import { type AuditDatabase, startAuditDatabase } from '../../../ext-authz/store/database.ts'
import { sallyport } from '../command.ts'
import { envoyOnly, History, NOON, request } from './history.ts'

let database: AuditDatabase
let writer: AuditWriter
let history: History
let rows: readonly AuditRow[]
let folder: string
let key: string
let settings: Readonly<Record<string, string>>

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-verify-'))
  database = await startAuditDatabase()
  writer = openWriter(database.urls.writer)
  await openMaintainer(database.urls.maintainer).ensure(NOON)
  history = new History(writer)
  key = history.publish(join(folder, 'edge-1.pem'))
  settings = { SALLYPORT_READER_URL: database.urls.reader.reveal(), SALLYPORT_STATE: join(folder, 'state') }
  rows = await history.write([request(), envoyOnly(), request(), request()])
})

afterAll(async () => {
  writer.close()
  await database.postgres.end()
  rmSync(folder, { recursive: true })
})

/** Two spools of several segments each. */
async function spools(): Promise<string> {
  const made = mkdtempSync(join(folder, 'spool-'))
  for (const worker of [0, 1]) {
    const spool = await Spool.open({
      folder: join(made, String(worker)),
      node: 'edge-1',
      worker,
      boot: `0123456789a${worker}`,
      mode: 'group',
      segmentBytes: 65_536,
      segmentMs: 60_000,
      log: createLog('test', 'silent'),
      now: Date.now,
    })
    const text = JSON.stringify({ padding: 'x'.repeat(10_000) })
    for (let record = 0; record < 25; record++) await new Promise((resolve) => spool.append(text, resolve))
    await spool.close()
  }
  return made
}

const segments = (spool: string) =>
  readdirSync(spool)
    .filter((name) => name.endsWith('.seg'))
    .sort()
    .map((name) => join(spool, name))

const verifySpools = (made: string) => sallyport(['audit', 'verify', '--no-database', '--spool', made], settings)

test('AU-8 `audit verify` of what is as it was written ends with 0 and says what it verified', async () => {
  const made = await spools()
  const { code, out, err } = await sallyport(['audit', 'verify', '--spool', made, '--key', key], settings)
  expect([code, out]).toEqual([0, ''])
  expect(err).toMatch(/^2 spools of \d+ segments; 4 rows, 1 batches of 1 nodes: clean\n$/)
})

const RECORD = 10_000
/** Flips a byte of a record in the middle of a segment. */
function flip(file: string): void {
  const bytes = readFileSync(file)
  bytes[3 * RECORD] = (bytes[3 * RECORD] ?? 0) ^ 1
  writeFileSync(file, bytes)
}

/** Takes the third record out: found by its length, as the format says. */
function deleteRecord(file: string): void {
  const bytes = readFileSync(file)
  let at = 16 + bytes.readUInt32BE(8)
  for (let record = 0; record < 2; record++) at += 8 + bytes.readUInt32BE(at)
  writeFileSync(file, Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 8 + bytes.readUInt32BE(at))]))
}

function swap([first = '', second = '']: readonly string[]): void {
  renameSync(first, `${first}.aside`)
  renameSync(second, first)
  renameSync(`${first}.aside`, second)
}

test.each([
  ['a flipped byte', 'damaged record', (files: readonly string[]) => flip(files[1] ?? '')],
  ['a deleted middle record', 'missing record', (files: readonly string[]) => deleteRecord(files[1] ?? '')],
  ['a swapped segment', 'swapped segment', swap],
  ['a truncated tail', 'truncated tail', (files: readonly string[]) => truncateSync(files[1] ?? '', 3 * RECORD)],
  ['a removed segment', 'missing segment', (files: readonly string[]) => rmSync(files[1] ?? '')],
])('AU-8 `audit verify` names %s of a spool with file, offset and record, and ends with 1', async (_, kind, mutate) => {
  const made = await spools()
  mutate(segments(join(made, '1')))
  const { code, out, err } = await verifySpools(made)
  expect(code).toBe(1)
  expect(out).toMatch(
    new RegExp(`^${kind}: ${join(made, '1')}/\\d{20}\\.seg offset \\d+ record \\d+: expected .+, found .+`, 'm'),
  )
  expect(out).not.toContain(join(made, '0/'))
  expect(err).toMatch(/^2 spools of \d+ segments: \d+ findings\n$/)
})

test('AU-8 a newest segment that ends within a record is said, and is no finding: its worker was killed', async () => {
  const made = await spools()
  const last = segments(join(made, '1')).at(-1) ?? ''
  const bytes = readFileSync(last)
  // Without its footer, which a worker that was killed does not write.
  truncateSync(last, bytes.length - 200)
  const { code, out, err } = await verifySpools(made)
  expect([code, out]).toEqual([0, ''])
  expect(err).toMatch(/^torn tail: .*\(its worker was killed, or writes just now\)\n2 spools.*: clean\n$/)
})

/** What somebody does who owns the tables and takes the triggers away; undone at the test's end. */
async function asOwner(change: string, undo: string, id: string | undefined): Promise<void> {
  const run = async (statement: string) => {
    const client = new Client({ connectionString: database.postgres.ownerUrl })
    await client.connect()
    try {
      await client.query('BEGIN; ALTER TABLE sallyport.gateway_audit_logs DISABLE TRIGGER rows_stay')
      expect((await client.query(statement, [id])).rowCount).toBe(1)
      await client.query('ALTER TABLE sallyport.gateway_audit_logs ENABLE TRIGGER rows_stay; COMMIT')
    } finally {
      await client.end()
    }
  }
  await run(change)
  onTestFinished(() => run(undo))
}

const verifyRows = (...args: string[]) => sallyport(['audit', 'verify', '--no-spool', '--key', key, ...args], settings)

test('AU-8 `audit verify` names an updated row with its column, and a deleted one, and ends with 1, as text and as JSON', async () => {
  const set = (status: number) => `UPDATE sallyport.gateway_audit_logs SET status_code = ${status} WHERE id = $1`
  await asOwner(set(500), set(200), rows[0]?.id)
  const updated = await verifyRows()
  expect([updated.code, updated.out]).toEqual([
    1,
    expect.stringMatching(
      new RegExp(
        `^edited row: node edge-1 row 2026-05-15T\\S+Z ${rows[0]?.id}: status_code is 500, its bytes say 200\n$`,
      ),
    ),
  ])
  expect(updated.err).toMatch(/^4 rows, 1 batches of 1 nodes: 1 findings\n$/)
  const away = (node: string, id: string) => `UPDATE sallyport.gateway_audit_logs SET ${id} WHERE id = $1 AND ${node}`
  await asOwner(
    away('true', `"timestamp" = "timestamp" + interval '7 days'`),
    away('true', `"timestamp" = "timestamp" - interval '7 days'`),
    rows[2]?.id,
  )
  const json = await verifyRows('--json')
  const kinds = json.out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line).kind]))
  expect([json.code, new Set(kinds)]).toEqual([1, new Set(['edited row', 'deleted row', 'added row'])])
  expect((await verifyRows('--limit', '2')).err).toMatch(/stopped at 2 findings \(--limit\)\n$/)
  expect((await verifyRows('--from', '1d')).code).toBe(0)
})

test('AU-8 without a public key `audit verify` refuses to call anything clean', async () => {
  const none = await sallyport(['audit', 'verify', '--no-spool'], settings)
  expect([none.code, none.out]).toEqual([64, ''])
  expect(none.err).toMatch(/no public key to verify batches with: .*signing-key\.pub\.pem.*--key/)
  const other = new History(writer).publish(join(folder, 'other.pem'))
  const strange = await sallyport(['audit', 'verify', '--no-spool', '--key', other], settings)
  expect([strange.code, strange.out]).toEqual([1, expect.stringMatching(/^unknown key: node edge-1 batch 1: /)])
  expect(await sallyport(['audit', 'verify', '--no-database', '--spool', '/no/such'], settings)).toMatchObject({
    code: 64,
  })
})
