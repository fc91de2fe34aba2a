import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { StageVerdict } from '../../../../ext-authz/audit/decision.ts'
import { Spool } from '../../../../ext-authz/audit/spool/spool.ts'
import { openMaintainer } from '../../../../ext-authz/store/maintainer.ts'
import { type AuditWriter, openWriter } from '../../../../ext-authz/store/writer.ts'
import { endedLog, LIVE_LOG } from '../../../../runtime/access-log-names.ts'
import { createLog } from '../../../../runtime/log.ts'
import { type AuditDatabase, startAuditDatabase } from '../../../ext-authz/store/database.ts'
import { sallyport } from '../command.ts'
import { envoyOnly, type Halves, History, NOON, PASSED, request } from './history.ts'

let database: AuditDatabase
let writer: AuditWriter
let history: History
let settings: Readonly<Record<string, string>>

beforeAll(async () => {
  database = await startAuditDatabase()
  writer = openWriter(database.urls.writer)
  await openMaintainer(database.urls.maintainer).ensure(NOON)
  history = new History(writer)
  settings = { SALLYPORT_READER_URL: database.urls.reader.reveal(), SALLYPORT_STATE: '/nonexistent' }
})

afterAll(async () => {
  writer.close()
  await database.postgres.end()
})

const REMEDY = 'give the caller a role that holds agents:delete: admin, operator'

const STAGES: readonly StageVerdict[] = [
  { stage: 'address', verdict: 'skip' },
  ...PASSED.slice(0, 1),
  {
    stage: 'rbac',
    verdict: 'deny',
    facts: { permission: 'agents:delete', roles: ['viewer'], holders: ['admin', 'operator'] },
    source: 'shop.ts:9',
    remedy: REMEDY,
  },
]

const refused = () =>
  request({
    method: 'DELETE',
    path: '/api/v1/agents/7',
    verdict: 'deny',
    status: 403,
    problem: 'permission-denied',
    detail: 'You may not do this.',
    stages: STAGES,
  })

test('OB-8 `why` tells each stage in order, what it read, its rule’s file and line, the policy version, and the remedy', async () => {
  const halves = refused()
  await history.write([halves])
  const { code, out } = await sallyport(['why', halves.request], settings)
  expect(code).toBe(0)
  const lines = out.split('\n').map((line) => line.trim())
  expect(lines[0]).toMatch(
    /^DELETE \/api\/v1\/agents\/7 {2}-> {2}403 permission-denied {3}2026-05-15T12:00:00\.\d{6}Z {2}edge-1$/,
  )
  expect(lines.slice(1)).toEqual([
    'caller    anna of acme, roles viewer from 203.0.113.9',
    'route     shop/list-agents  shop.ts:7  policy abcdefghijkl',
    '1 address   -',
    '2 identify  ok        issuer https://issuer.test; remembered true  shop.ts:4',
    '3 rbac      REFUSED   permission agents:delete; roles viewer; holders admin, operator  shop.ts:9',
    'upstream  not reached, 12.345 ms in all',
    'envoy     ext_authz_denied: ext-authz refused the request; its stages say why; UAEX: ext-authz refused it or failed',
    'answer    You may not do this.',
    `remedy    ${REMEDY}`,
    expect.stringMatching(
      new RegExp(`^ids {7}request ${halves.request} {2}correlation [\\da-f-]{36} {2}event ${halves.event}$`),
    ),
    '',
  ])
})

test('OB-8 `why --json` has the same for machines', async () => {
  const halves = refused()
  await history.write([halves])
  const { out } = await sallyport(['why', '--json', halves.request], settings)
  expect(JSON.parse(out)).toMatchObject({
    schema: 'sallyport.why/1',
    id: halves.request,
    requests: [{ status: 403, problem: 'permission-denied', stages: STAGES, remedy: REMEDY, source: 'shop.ts:7' }],
  })
})

test('OB-8 a correlation id explains each of its requests, newest first; one that ended well has no remedy', async () => {
  const [one, two] = [request({ correlation_id: 'c-1' }), request({ correlation_id: 'c-1', path: '/second' })]
  await history.write([one, two, request({ correlation_id: 'c-10' })])
  const { code, out } = await sallyport(['why', 'c-1'], settings)
  expect(code).toBe(0)
  expect(out.match(/^GET \S+/gm)).toEqual(['GET /second', 'GET /api/v1/agents'])
  expect(out).toContain('upstream  127.0.0.1:8000, 1 try, 9 ms, 12.345 ms in all')
  expect(out).not.toContain('remedy')
})

test.each([
  [
    { details: 'request_headers_too_large', status: 431, flags: 'DPE', method: null, path: null },
    /^a request that could not be read {2}-> {2}431 .*headers are larger than the listener takes/s,
  ],
  [{ details: 'http1.codec_error', status: 400, flags: 'DPE' }, /not well-formed HTTP/],
  [
    { details: 'route_not_found', status: 404, flags: 'NR' },
    /No route of this listener has the path.*NR: no route for the path/,
  ],
  [
    { details: 'upstream_reset_before_response_started{connection_failure}', status: 503, flags: 'UF,URX' },
    /broke the connection before it answered\. Envoy: connection failure; UF: the connection to the upstream failed; URX: all tries/,
  ],
  [
    { details: 'downstream_remote_disconnect', status: 0, flags: 'DC' },
    /The client went away before the answer was complete/,
  ],
  [{ details: 'something_new', status: 500, flags: 'ZZ' }, /envoy {5}something_new: ZZ\n/],
] as const)('OB-8 what Envoy answered by itself is said in plain words: %o', async (line, words) => {
  const halves = envoyOnly(line)
  await history.write([halves])
  expect((await sallyport(['why', halves.request], settings)).out).toMatch(words)
})

test('OB-8 of a request without an end it is said what that means', async () => {
  const open = request({}, false)
  await history.write([open])
  const { out } = await sallyport(['why', open.request], settings)
  expect(out).toMatch(/outcome {3}open: It was let go or refused, and Envoy has not yet said how it ended/)
  expect(out).not.toContain('not reached')
})

test('an unknown id ends with 66 and says where ids are found', async () => {
  const { code, out, err } = await sallyport(['why', 'no-such-id'], settings)
  expect([code, out]).toEqual([66, ''])
  expect(err).toMatch(/no request has the id no-such-id: answers carry x-request-id and x-correlation-id/)
})

/** A state folder with what a recorder has not taken yet. */
function stateWith(logs: Readonly<Record<string, readonly Halves[]>>): string {
  const state = mkdtempSync(join(tmpdir(), 'sallyport-why-'))
  onTestFinished(() => rmSync(state, { recursive: true }))
  mkdirSync(join(state, 'audit/access'), { recursive: true })
  for (const [name, requests] of Object.entries(logs))
    writeFileSync(join(state, 'audit/access', name), requests.map(({ line }) => `${line}\n`).join(''))
  return state
}

test('OB-8 without PostgreSQL, or before the row is there, `why` reads the access log of this machine and says so', async () => {
  const [live, old] = [envoyOnly({ path: '/live' }), envoyOnly({ path: '/old' })]
  const noise = Array.from({ length: 200 }, () => envoyOnly())
  const state = stateWith({ [LIVE_LOG]: [...noise, live], [endedLog(1)]: [old, ...noise] })
  const here = { SALLYPORT_STATE: state }
  const away = await sallyport(['why', old.request], here)
  expect([away.code, away.out]).toEqual([0, expect.stringContaining('/old  ->  404 route_not_found')])
  expect(away.err).toMatch(/no database is known.*\nfrom the spool and the access log of this machine \(the newest/)
  const early = await sallyport(['why', live.request], { ...here, ...settings, SALLYPORT_STATE: state })
  expect([early.code, early.out]).toEqual([0, expect.stringContaining('/live  ->  404 route_not_found')])
  expect(early.err).toMatch(/^not in PostgreSQL \(yet\); from the spool and the access log/)
})

test('OB-8 … and the spool of this machine, with every stage; a retried Check shows the decision that Envoy used', async () => {
  const [open, retried] = [refused(), request({ correlation_id: 'c-retried' })]
  const state = stateWith({ [LIVE_LOG]: [] })
  const [zero, one] = [await spoolOf(state, 0), await spoolOf(state, 1)]
  const passed = (path: string) => String(retried.decision).replace('/api/v1/agents', path)
  await Promise.all([append(zero, String(open.decision)), append(one, passed('/given-up'))])
  const used = await append(zero, passed('/used'))
  await Promise.all([zero.close(), one.close()])
  const line = { ...JSON.parse(String(retried.line)), event: used }
  writeFileSync(join(state, 'audit/access', LIVE_LOG), `${JSON.stringify(line)}\n`)
  const here = { SALLYPORT_STATE: state }
  const why = await sallyport(['why', open.request], here)
  expect(why.code).toBe(0)
  expect(why.out).toContain('3 rbac      REFUSED   permission agents:delete')
  expect(why.out).toContain('outcome   open: ')
  expect(why.out).toContain(`remedy    ${REMEDY}`)
  const ended = await sallyport(['why', '--json', 'c-retried'], here)
  expect(JSON.parse(ended.out).requests).toMatchObject([
    { request: { path: '/used' }, status: 200, ids: { event: used } },
  ])
})

function spoolOf(state: string, worker: number): Promise<Spool> {
  return Spool.open({
    folder: join(state, 'audit/spool', String(worker)),
    node: 'edge-1',
    worker,
    boot: `0123456789a${worker}`,
    mode: 'group',
    segmentBytes: 65_536,
    segmentMs: 60_000,
    log: createLog('test', 'silent'),
    now: Date.now,
  })
}

const append = (spool: Spool, json: string) => new Promise<string | undefined>((resolve) => spool.append(json, resolve))
