import { readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { verifyRoot } from '../../../ext-authz/audit/roots.ts'
import { openSigningKey } from '../../../ext-authz/audit/signing-key.ts'
import { LETTERS_FOLDER } from '../../../ext-authz/recorder/dead-letters.ts'
import { RecorderMetrics } from '../../../ext-authz/recorder/metrics.ts'
import type { Recorder } from '../../../ext-authz/recorder/recorder.ts'
import { replayDeadLetters } from '../../../ext-authz/recorder/replay.ts'
import { Upkeep } from '../../../ext-authz/recorder/upkeep.ts'
import type { AuditRow } from '../../../ext-authz/store/audit-row.ts'
import { openMaintainer } from '../../../ext-authz/store/maintainer.ts'
import { openReader } from '../../../ext-authz/store/reader.ts'
import { openWriter } from '../../../ext-authz/store/writer.ts'
import { endedLog } from '../../../runtime/access-log-names.ts'
import { createLog } from '../../../runtime/log.ts'
import { startPostgres, type TestPostgres } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'
import { decisionJson, lineJson } from './halves.ts'
import { type TestNode, testNode } from './recording.ts'
import { cuttingProxy, prepareDatabase, type TestLogins } from './store-for-tests.ts'

const SECOND = 1_000_000

let postgres: TestPostgres
let logins: TestLogins
let nodes = 0
beforeAll(async () => {
  postgres = await startPostgres()
  logins = await prepareDatabase(postgres.ownerUrl)
})
afterAll(() => postgres.end())

const freshNode = () => testNode(`node-${++nodes}`)
const parties = (writer = logins.writer) => ({
  writer: openWriter(writer, { connectMs: 1_000 }),
  maintainer: openMaintainer(logins.maintainer),
})

/** Everything that is there is read and written. */
async function recordAll(recorder: Recorder): Promise<void> {
  while (await recorder.round());
  await recorder.flush()
}

/** Rows of a node by request id. */
async function rowsOf({ node }: TestNode): Promise<ReadonlyMap<string, AuditRow>> {
  const reader = openReader(logins.reader)
  try {
    const rows = await reader.search({ node }, { role: 'admin' }, 10_000)
    return new Map(rows.map((row) => [row.request_id ?? row.id, row]))
  } finally {
    await reader.close()
  }
}

/** Throws unless the roots of a node are good and without gaps; gives their kinds. */
async function rootKinds({ node, folder }: TestNode): Promise<string[]> {
  const key = await openSigningKey(folder)
  const reader = openReader(logins.reader)
  const kinds: string[] = []
  let previous: Buffer = Buffer.alloc(32)
  for await (const root of reader.roots({ node })) {
    expect([root.number, verifyRoot(root, key.public, previous)]).toEqual([kinds.length + 1, undefined])
    previous = root.root
    kinds.push(root.kind)
  }
  await reader.close()
  return kinds
}

const now = () => Date.now() * 1000

/** A request with both halves. */
async function request(node: TestNode, id: string, changes: Parameters<typeof decisionJson>[1] = {}): Promise<void> {
  const at = changes.at ?? now()
  const event = await node.decide(decisionJson(id, { at, ...changes }))
  node.log(lineJson(id, { at, event }))
}

test('AU-1 each kind of request is one row with its outcome', async () => {
  const node = freshNode()
  const recorder = await node.recorder(parties())
  const at = now()
  await request(node, 'passed', { at })
  node.log(
    lineJson('not found', { at, upstream_host: null, status: 404, details: 'route_not_found' }),
    lineJson('spool full', { at, audit: 'skipped' }),
    lineJson('bypass', { at }),
    lineJson(null, { at, route: null, upstream_host: null, status: 400, details: 'http1.codec_error' }),
  )
  await recordAll(recorder)
  const rows = await rowsOf(node)
  expect(rows.get('passed')).toMatchObject({
    outcome: 'completed',
    status_code: 200,
    user_id: 'user-1',
    verdict: 'pass',
  })
  expect(rows.get('not found')).toMatchObject({ outcome: 'envoy', status_code: 404, problem: 'route_not_found' })
  expect(rows.get('spool full')).toMatchObject({ outcome: 'skipped', degraded: ['audit'] })
  expect(rows.get('bypass')).toMatchObject({ outcome: 'bypass_suspect' })
  expect(rows.size).toBe(5)
  expect(await rootKinds(node)).toEqual(['batch'])
})

test('AU-1 an open request is completed by the one line that comes later; those of a dead Envoy are unknown', async () => {
  const node = freshNode()
  let ahead = 0
  const recorder = await node.recorder({ ...parties(), now: () => Date.now() + ahead })
  const at = now()
  node.log()
  const event = await node.decide(decisionJson('slow', { at }))
  await node.decide(decisionJson('carried by a dead Envoy', { at: at + 1 }))
  ahead = 35_000
  await recordAll(recorder)
  expect((await rowsOf(node)).get('slow')).toMatchObject({ outcome: 'open', status_code: undefined })

  node.log(lineJson('slow', { at, event, total_us: 36 * SECOND }))
  await node.decide(decisionJson('waits', { at: at + 2 }))
  renameSync(node.accessLog, join(node.logFolder, endedLog(Date.now() + 10)))
  node.log()
  await recordAll(recorder)
  const rows = await rowsOf(node)
  expect(rows.get('slow')).toMatchObject({ outcome: 'completed', status_code: 200, total_latency_ms: 36_000 })
  expect(rows.get('carried by a dead Envoy')).toMatchObject({ outcome: 'unknown' })
  expect(rows.get('waits')).toMatchObject({ outcome: 'unknown' })
})

test('AU-1 a completion whose open row is in no store becomes a row of its own', async () => {
  const node = freshNode()
  let ahead = 0
  const recorder = await node.recorder({ ...parties(), now: () => Date.now() + ahead })
  node.log()
  const at = now()
  await node.decide(decisionJson('opened', { at: at + 2 }))
  ahead = 35_000
  await recordAll(recorder)
  // Older than what was opened, and named by nobody's spool: it may have been opened too.
  node.log(lineJson('lost', { at, event: `${node.node}.boot0.1` }))
  await recordAll(recorder)
  expect((await rowsOf(node)).get('lost')).toMatchObject({ outcome: 'completed', event_id: `${node.node}.boot0.1` })
  expect(await rootKinds(node)).toEqual(['batch', 'batch'])
})

test('AU-1 nothing is lost and nothing is twice when PostgreSQL is killed and stays away', async () => {
  const node = freshNode()
  const recorder = await node.recorder({ ...parties(), batch: { rows: 10, ms: 100 } })
  const running = recorder.run()
  for (let sent = 0; sent < 50; sent++) await request(node, `before-${sent}`)
  await until('some rows', async () => (await rowsOf(node)).size > 0)
  await postgres.kill()
  for (let sent = 0; sent < 200; sent++) await request(node, `away-${sent}`)
  await until('the recorder to say why it waits', () => recorder.stuck !== undefined)
  await postgres.start()
  await until('all rows', async () => (await rowsOf(node)).size === 250)
  expect(recorder.stuck).toBeUndefined()
  await recorder.close()
  await running
  await rootKinds(node)
})

test('AU-1 a connection cut between COMMIT and its answer writes nothing twice', async () => {
  const node = freshNode()
  const proxy = await cuttingProxy(logins.writer)
  const recorder = await node.recorder({ ...parties(proxy.url), batch: { rows: 5, ms: 100 } })
  void recorder.run()
  for (let sent = 0; sent < 30; sent++) {
    // The repetition finds the batch written, and may not be cut again for ever.
    proxy.cutAfterCommit(sent % 10 === 0)
    await request(node, `request-${sent}`)
    if (sent % 10 === 0) {
      const cuts = proxy.cuts
      await until('a cut', () => proxy.cuts > cuts)
    }
  }
  proxy.cutAfterCommit(false)
  await until('all rows', async () => (await rowsOf(node)).size === 30)
  expect(proxy.cuts).toBeGreaterThanOrEqual(3)
  await recorder.close()
  await rootKinds(node)
})

test('AU-8 rows that PostgreSQL refuses are put aside one by one, the rest goes on, and audit replay brings them back', async () => {
  const node = freshNode()
  const recorder = await node.recorder(parties())
  const at = now()
  // The table checks the verdict; the encoder finds the fraction.
  const strange = { verdict: 'maybe' as 'pass' }
  for (let sent = 0; sent < 40; sent++)
    await request(node, `request-${sent}`, { at: at + sent, ...(sent % 13 === 5 ? strange : {}) })
  await request(node, 'fraction', { at: at + 41, latency_us: { total: 1.5 } })
  await recordAll(recorder)
  const poisoned = ['request-5', 'request-18', 'request-31', 'fraction']
  expect((await rowsOf(node)).size).toBe(37)
  for (const id of poisoned) expect((await rowsOf(node)).has(id)).toBe(false)

  const folder = join(node.folder, LETTERS_FOLDER)
  const writer = openWriter(logins.writer)
  onTestFinished(() => writer.close())
  expect(await replayDeadLetters(folder, writer)).toMatchObject({ written: 0, kept: { length: 4 } })
  await asOwner('ALTER TABLE sallyport.gateway_audit_logs DROP CONSTRAINT gateway_audit_logs_verdict_check')
  onTestFinished(async () => {
    await asOwner(`ALTER TABLE sallyport.gateway_audit_logs ADD CONSTRAINT gateway_audit_logs_verdict_check
      CHECK (verdict IN ('pass', 'deny')) NOT VALID`)
  })
  const again = await replayDeadLetters(folder, writer)
  expect(again.written).toBe(3)
  expect(again.kept.map(({ why }) => why)).toEqual([expect.stringContaining('decision_us')])
  expect((await rowsOf(node)).size).toBe(40)
  expect(readdirSync(folder).filter((name) => name.endsWith('.row.json'))).toHaveLength(1)
  expect(await rootKinds(node)).toEqual(['batch'])
})

test('AU-8 a time that no calendar has partitions for is put aside, and does not hold up the rest', async () => {
  const node = freshNode()
  const recorder = await node.recorder(parties())
  await request(node, 'good')
  await request(node, 'far away', { at: Date.UTC(2250, 0) * 1000 })
  await recordAll(recorder)
  expect([...(await rowsOf(node)).keys()]).toEqual(['good'])
  expect(readdirSync(join(node.folder, LETTERS_FOLDER)).filter((name) => name.endsWith('.row.json'))).toHaveLength(1)
})

test('AU-4 a month that has no partition gets one when its first row comes', async () => {
  const node = freshNode()
  const recorder = await node.recorder(parties())
  await request(node, 'long ago', { at: Date.UTC(2019, 4, 31, 23, 59, 59) * 1000 })
  await request(node, 'a month later', { at: Date.UTC(2019, 5, 1) * 1000 })
  await recordAll(recorder)
  expect((await rowsOf(node)).size).toBe(2)
})

test('AU-1 what cannot be read is put aside, and every row beside it is written', async () => {
  const node = freshNode()
  const recorder = await node.recorder(parties())
  const at = now()
  node.log(lineJson('a', { at, upstream_host: null }), 'no JSON', lineJson('b', { at, upstream_host: null }))
  await node.decide('{"v":1}')
  await recordAll(recorder)
  expect((await rowsOf(node)).size).toBe(2)
  expect(readdirSync(join(node.folder, LETTERS_FOLDER)).filter((name) => name.startsWith('line-'))).toHaveLength(2)
})

test('AU-1 spools and logs are deleted when they are recorded, not before', async () => {
  const node = freshNode()
  let ahead = 0
  const recorder = await node.recorder({ ...parties(), now: () => Date.now() + ahead })
  const at = now()
  await request(node, 'recorded', { at })
  await node.decide(decisionJson('waits', { at: at + 1 }))
  renameSync(node.accessLog, join(node.logFolder, endedLog(Math.floor(at / 1000) - 1)))
  node.log()
  await (await node.spool(0)).close()
  const segments = () => readdirSync(join(node.spoolFolder, '0')).filter((name) => name.endsWith('.seg'))
  expect(segments()).toHaveLength(1)
  await recordAll(recorder)
  ahead += 2_000
  await recordAll(recorder)
  expect(readdirSync(node.logFolder)).toEqual(['access.log'])
  expect(segments(), 'one of its decisions waits').toHaveLength(1)
  ahead += 35_000
  await recordAll(recorder)
  ahead += 2_000
  await recordAll(recorder)
  expect(segments()).toHaveLength(0)
  expect((await rowsOf(node)).size).toBe(2)
})

test('AU-1 a recorder that lost its folder goes on behind the newest root, and writes no row twice', async () => {
  const node = freshNode()
  const first = await node.recorder(parties())
  await request(node, 'before')
  await recordAll(first)
  await first.close()
  rmSync(join(node.folder, 'batch'))
  const second = await node.recorder(parties())
  await request(node, 'after')
  await recordAll(second)
  expect((await rowsOf(node)).size).toBe(2)
  expect(await rootKinds(node)).toEqual(['batch', 'batch'])
})

test('AU-1 a recorder with an old folder finds its number taken and goes on behind', async () => {
  const node = freshNode()
  const first = await node.recorder(parties())
  await request(node, 'one')
  await recordAll(first)
  const old = join(node.folder, 'batch')
  const kept = join(node.folder, 'kept')
  renameSync(old, kept)
  await request(node, 'two')
  const second = await node.recorder(parties())
  await recordAll(second)
  renameSync(kept, old)
  await request(node, 'three')
  const third = await node.recorder(parties())
  await recordAll(third)
  expect([...(await rowsOf(node)).keys()].toSorted()).toEqual(['one', 'three', 'two'])
  expect(await rootKinds(node)).toEqual(['batch', 'batch', 'batch'])
})

test('AU-4 a month that is dropped has its signed entry in the chain of roots first', async () => {
  const node = freshNode()
  const recorder = await node.recorder(parties())
  await request(node, 'before')
  const signed = recorder.sign({ month: '2026-01', rows: 3, digest: 'ab' })
  await recordAll(recorder)
  await signed
  await request(node, 'after')
  await recordAll(recorder)
  expect(await rootKinds(node)).toEqual(['batch', 'dropped', 'batch'])
})

test('AU-4 months that ended longer ago than the retention are dropped by the recorder, each signed before', async () => {
  const node = freshNode()
  const { writer, maintainer } = parties()
  const recorder = await node.recorder({ writer, maintainer, batch: { rows: 1, ms: 100 } })
  void recorder.run()
  await request(node, 'old', { at: Date.UTC(2018, 2, 3) * 1000 })
  await request(node, 'new')
  await until('the rows', async () => (await rowsOf(node)).size === 2)
  const ahead: number[] = []
  const upkeep = new Upkeep({
    maintainer,
    owner: undefined,
    retentionDays: 90,
    rotation: undefined,
    sign: (month) => recorder.sign(month),
    monthsAhead: (months) => ahead.push(months),
    log: createLog('test', 'silent'),
    now: Date.now,
    random: Math.random,
  })
  onTestFinished(() => upkeep.close())
  await upkeep.start()
  await until('the signed entry', async () => (await rootKinds(node)).includes('dropped'))
  expect([...(await rowsOf(node)).keys()]).toEqual(['new'])
  expect(ahead[0]).toBeGreaterThanOrEqual(3)
})

test('OB-1 what happened can be read from the metrics', async () => {
  const node = freshNode()
  const registry = new Registry()
  const recorder = await node.recorder({ ...parties(), metrics: new RecorderMetrics(registry) })
  const at = now()
  await request(node, 'passed', { at })
  node.log(lineJson('bypass', { at }), 'no JSON')
  await node.decide(decisionJson('waits', { at: at - 5 * SECOND }))
  await recordAll(recorder)
  const text = await registry.metrics()
  expect(text).toContain('recorder_rows_total 2')
  expect(text).toContain('recorder_requests_total{became="completed"} 1')
  expect(text).toContain('recorder_requests_total{became="bypass_suspect"} 1')
  expect(text).toContain('recorder_trouble_total{kind="unreadable"} 1')
  expect(text).toContain('recorder_waiting_decisions 1')
  expect(text).toContain('recorder_dead_letters 1')
  expect(text).toMatch(/recorder_lag_seconds [5-9]/)
  expect(text).toContain('recorder_log_behind_bytes 0')
})

async function asOwner(sql: string): Promise<void> {
  const client = new Client({ connectionString: postgres.ownerUrl })
  await client.connect()
  try {
    await client.query('SET ROLE sallyport_owner')
    await client.query(sql)
  } finally {
    await client.end()
  }
}
