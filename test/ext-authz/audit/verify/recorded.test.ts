import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { openSigningKey } from '../../../../ext-authz/audit/signing-key.ts'
import { verifyDatabase } from '../../../../ext-authz/audit/verify/database.ts'
import type { AuditFault } from '../../../../ext-authz/audit/verify/fault.ts'
import { askRecorder } from '../../../../ext-authz/audit/verify/recorder.ts'
import { openMaintainer } from '../../../../ext-authz/store/maintainer.ts'
import { openReader } from '../../../../ext-authz/store/reader.ts'
import { openWriter } from '../../../../ext-authz/store/writer.ts'
import { endedLog } from '../../../../runtime/access-log-names.ts'
import { decisionJson, lineJson } from '../../recorder/halves.ts'
import { testNode } from '../../recorder/recording.ts'
import { type AuditDatabase, startAuditDatabase } from '../../store/database.ts'

let database: AuditDatabase

beforeAll(async () => {
  database = await startAuditDatabase()
})
afterAll(() => database.postgres.end())

test('AU-8 what the recorder writes verifies clean, whatever became of the requests and however often it was restarted', async () => {
  const { urls } = database
  const node = testNode()
  const parts = () => ({ writer: openWriter(urls.writer), maintainer: openMaintainer(urls.maintainer) })
  const written = async () => {
    const recorder = await node.recorder(parts())
    while (await recorder.round());
    await recorder.flush()
    await recorder.close(0)
  }
  // A minute ago: without its completion it is open at once.
  const old = Date.now() * 1_000 - 60_000_000
  const now = () => Date.now() * 1_000
  const at = now()

  const passed = await node.decide(decisionJson('passed', { at }))
  node.log(lineJson('passed', { at, event: passed, actual_cost: '0.0125' }))
  await node.decide(decisionJson('retried', { at, path: '/given-up' }), 0)
  const used = await node.decide(decisionJson('retried', { at }), 1)
  node.log(lineJson('retried', { at, event: used }))
  const slow = await node.decide(decisionJson('slow', { at: old }))
  await node.decide(decisionJson('slow', { at: old, decided_at: old + 1 }), 1)
  const refusal = { verdict: 'deny', status: 403, problem: 'permission-denied', detail: 'No.' } as const
  const denied = await node.decide(decisionJson('refused', { at: old, ...refusal }))
  const poison = await node.decide(decisionJson('poison', { at, path: '/\u0000\ud800', query: { '\u0000': 'x' } }))
  node.log(lineJson('poison', { at, event: poison }))
  node.log(lineJson(null, { at, status: 431, details: 'request_headers_too_large', upstream_host: null }))
  node.log(lineJson('alone', { at, status: 404, details: 'route_not_found', flags: 'NR', upstream_host: null }))
  node.log(lineJson('skipped', { at, audit: 'skipped' }), lineJson('bypass', { at }))
  node.log(lineJson('lost', { at, event: 'node-1.other.1' }))
  await written()

  node.log(lineJson('slow', { at: old, event: slow, total_us: 61_000_000 }))
  node.log(
    lineJson('refused', { at: old, event: denied, status: 403, details: 'ext_authz_denied', upstream_host: null }),
  )
  await written()

  await node.decide(decisionJson('killed', { at: now() }))
  await node.decide(decisionJson('open', { at: old }))
  renameSync(node.accessLog, join(node.logFolder, endedLog(Date.now() + 1)))
  node.log(lineJson('next', { at: now(), status: 404, details: 'route_not_found', upstream_host: null }))
  await written()
  await written()

  const key = await openSigningKey(node.folder)
  const known = await askRecorder(node.folder)
  expect(known.heads).toHaveLength(1)
  const reader = openReader(urls.reader)
  onTestFinished(() => reader.close())
  const outcomes: Record<string, string> = {}
  const faults: AuditFault[] = []
  await reader.snapshot({ role: 'admin' }, async (view) => {
    for await (const row of view.stream({})) outcomes[row.request_id ?? 'none'] = row.outcome
    const keys = new Map([[key.id, key.public]])
    for await (const fault of verifyDatabase(view, { keys, ...known, onRow: () => undefined })) faults.push(fault)
  })
  expect(outcomes).toEqual({
    ...{ passed: 'completed', retried: 'completed', slow: 'completed', refused: 'completed', poison: 'completed' },
    ...{
      none: 'envoy',
      alone: 'envoy',
      next: 'envoy',
      skipped: 'skipped',
      bypass: 'bypass_suspect',
      lost: 'completed',
    },
    ...{ killed: 'unknown', open: 'unknown' },
  })
  expect(faults).toEqual([])
})
