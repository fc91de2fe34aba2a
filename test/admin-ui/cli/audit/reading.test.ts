import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { AuditRow } from '../../../../ext-authz/store/audit-row.ts'
import { openMaintainer } from '../../../../ext-authz/store/maintainer.ts'
import { isoMicros } from '../../../../ext-authz/store/time.ts'
import { type AuditWriter, openWriter } from '../../../../ext-authz/store/writer.ts'
import { type AuditDatabase, startAuditDatabase } from '../../../ext-authz/store/database.ts'
import { until } from '../../../support/until.ts'
import { sallyport, spawnSallyport } from '../command.ts'
import { envoyOnly, History, NOON, request } from './history.ts'

let database: AuditDatabase
let writer: AuditWriter
let history: History
/** Oldest first. */
let rows: readonly AuditRow[]
let settings: Readonly<Record<string, string>>

const anna = { user_id: 'anna', customer_id: 'acme', email: 'a@acme.test', roles: ['viewer'] }
const who = (user_id: string, customer_id: string) => ({
  ...{ ...anna, scopes: [], trial: false, issuer: 'https://issuer.test', token_id: 't' },
  user_id,
  customer_id,
})

const REFUSED = {
  verdict: 'deny',
  status: 403,
  problem: 'permission-denied',
  detail: 'You may not do this.',
  method: 'DELETE',
} as const

beforeAll(async () => {
  database = await startAuditDatabase()
  writer = openWriter(database.urls.writer)
  await openMaintainer(database.urls.maintainer).ensure(NOON, [new Date().toISOString().slice(0, 7)])
  history = new History(writer)
  settings = { SALLYPORT_READER_URL: database.urls.reader.reveal(), SALLYPORT_STATE: '/nonexistent' }
  rows = await history.write([
    request({ identity: who('anna', 'acme'), correlation_id: 'shared' }),
    request({ identity: who('anna', 'acme'), ...REFUSED }),
    request({ identity: who('bert', 'acme'), gateway: 'partner', route: 'orders' }),
    request({ identity: who('carl', 'bcorp'), correlation_id: 'shared' }, { status: 502, details: 'via_upstream' }),
    envoyOnly({ path: '/no/such\u001b[31m/path' }),
    request({ identity: who('anna', 'acme') }, false),
  ])
})

afterAll(async () => {
  writer.close()
  await database.postgres.end()
})

const ids = (out: string) => out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line).id]))
const idsOf = (...places: number[]) => places.map((place) => rows[place]?.id)

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-audit-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

const SEARCHES: readonly [args: string[], places: number[]][] = [
  [[], [5, 4, 3, 2, 1, 0]],
  [
    ['--user', 'anna', '--limit', '2'],
    [5, 1],
  ],
  [['--customer', 'acme', '--gateway', 'partner'], [2]],
  [['--status', '403'], [1]],
  [
    ['--status', '4XX'],
    [4, 1],
  ],
  [['--problem', 'permission-denied'], [1]],
  [['--problem', 'route_not_found'], [4]],
  [['--route', 'orders'], [2]],
  [
    ['--correlation', 'shared'],
    [3, 0],
  ],
  [['--outcome', 'open'], [5]],
  [['--from', '2h'], []],
  [['--node', 'edge-2'], []],
]

test.each(SEARCHES)('AU-4 `audit search %j` finds the rows that fit, newest first', async (args, places) => {
  const { code, out, err } = await sallyport(['audit', 'search', ...args], settings)
  expect([code, ids(out)]).toEqual([0, idsOf(...places)])
  expect(err).toMatch(new RegExp(`^${places.length} requests?(; there may be more.*)?\n$`))
})

test('AU-4 times are exact to the microsecond, with either end; request ids find one row', async () => {
  const [, second, third] = rows
  const from = isoMicros(second?.timestamp ?? 0)
  const to = isoMicros((third?.timestamp ?? 0) + 1)
  expect(ids((await sallyport(['audit', 'search', '--from', from, '--to', to], settings)).out)).toEqual(idsOf(2, 1))
  const later = isoMicros((second?.timestamp ?? 0) + 1)
  expect(ids((await sallyport(['audit', 'search', '--from', later, '--to', to], settings)).out)).toEqual(idsOf(2))
  expect(ids((await sallyport(['audit', 'search', '--request', third?.request_id ?? ''], settings)).out)).toEqual(
    idsOf(2),
  )
})

const VIEWERS: readonly [args: string[], places: number[]][] = [
  [
    ['--as-user', 'anna'],
    [0, 1, 5],
  ],
  [['--as-user', 'nobody'], []],
  [['--as-user', ''], []],
  [
    ['--as-customer', 'acme'],
    [0, 1, 2, 5],
  ],
  [['--as-customer', 'bcorp'], [3]],
  [['--as-customer', 'acme', '--user', 'carl'], []],
  [[], [0, 1, 2, 3, 4, 5]],
]

test.each(VIEWERS)(
  'AU-5 `%j`: a user, a customer’s administrator and the administrator see exactly their rows, in exports too',
  async (args, places) => {
    const exported = await sallyport(['audit', 'export', ...args], settings)
    expect([exported.code, ids(exported.out)]).toEqual([0, idsOf(...places)])
    const searched = await sallyport(['audit', 'search', ...args], settings)
    expect(ids(searched.out)).toEqual(idsOf(...places.toReversed()))
  },
)

test('AU-2 an exported row has every column by name, its time with µs, and its bytes as base64', async () => {
  const { out } = await sallyport(['audit', 'export', '--request', rows[1]?.request_id ?? ''], settings)
  const [row] = rows.slice(1)
  const found = JSON.parse(out)
  expect(Object.keys(found)).toEqual(expect.arrayContaining(Object.keys(row ?? {})))
  expect(found).toMatchObject({
    timestamp: isoMicros(row?.timestamp ?? 0),
    status_code: 403,
    roles: ['viewer'],
    total_latency_ms: 12.345,
    response_body: null,
    stages: row?.stages,
  })
  expect(Buffer.from(found.decision_bytes, 'base64').equals(row?.decision_bytes ?? Buffer.of())).toBe(true)
})

test('AU-8 `audit export --output` makes the file when it is whole, and leaves another export’s part alone', async () => {
  const folder = temporary()
  const file = join(folder, 'rows.jsonl')
  const { code, out, err } = await sallyport(['audit', 'export', '--output', file], settings)
  expect([code, out]).toEqual([0, ''])
  expect(err).toMatch(new RegExp(`^6 rows in [\\d.]+ s to ${file}\n$`))
  expect(ids(readFileSync(file, 'utf8'))).toEqual(idsOf(0, 1, 2, 3, 4, 5))
  expect(readdirSync(folder)).toEqual(['rows.jsonl'])
  writeFileSync(`${file}.part`, '')
  const again = await sallyport(['audit', 'export', '--output', file], settings)
  expect([again.code, again.err]).toEqual([64, expect.stringContaining(`${file}.part: is there`)])
})

test('an export whose reader goes away ends quietly', async () => {
  const child = spawnSallyport(['audit', 'export'], settings)
  child.stdout.destroy()
  let err = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect([code, err]).toEqual([0, ''])
})

test('what a client sent cannot drive the terminal that shows it, as text or as JSON', async () => {
  const text = await sallyport(['audit', 'search', '--no-json', '--status', '404'], settings)
  expect(text.out).toContain('/no/such\\u001b[31m/path')
  const json = await sallyport(['audit', 'search', '--status', '404'], settings)
  expect(JSON.parse(json.out).endpoint).toBe('/no/such\u001b[31m/path')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  expect(text.out + json.out).not.toMatch(/[\x00-\x09\x0b-\x1f]/)
})

test('for people a row is a line with time, status, request, place, caller, problem and id', async () => {
  const { out } = await sallyport(['audit', 'search', '--no-json', '--status', '403'], settings)
  expect(out).toMatch(
    /^2026-05-15T12:00:00\.\d{3}Z {2}403 {2}DELETE {2}\/api\/v1\/agents +shop\/list-agents +anna@acme +permission-denied +12\.3 ms {2}[\da-f-]{36}\n$/,
  )
})

test('`audit tail` shows the latest, the latest last; --follow goes on with what comes, and with what ends', async () => {
  expect(ids((await sallyport(['audit', 'tail', '-n', '3'], settings)).out)).toEqual(idsOf(3, 4, 5))
  const child = spawnSallyport(['audit', 'tail', '-f', '-n', '1', '--node', 'edge-9'], settings)
  onTestFinished(() => void child.kill())
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  const follower = new History(writer, 'edge-9')
  const now = () => Date.now() * 1_000
  const open = request({ at: now() }, {}, 'edge-9')
  const [before] = await follower.write([{ ...open, line: undefined }])
  await until('the row that came', () => out.includes(before?.id ?? '?'))
  // A row whose time is before that of the one that was shown: batches do not come in order.
  const [older] = await follower.write([request({ at: now() - 4_000_000 }, {}, 'edge-9')])
  await follower.write([], [open])
  await until('the end of the open one', () => out.split('\n').filter((line) => line !== '').length === 3)
  expect(ids(out).toSorted()).toEqual([before?.id, before?.id, older?.id].toSorted())
  expect(out).toContain('"outcome":"completed"')
})

test.each([
  ['a problem, with the nearest', ['--problem', 'permision-denied'], /Did you mean permission-denied\?/],
  ['an outcome, with the nearest', ['--outcome', 'opne'], /Did you mean open\? Outcomes are completed, envoy/],
  ['a status', ['--status', '9xx'], /such as 403, or a class such as 4xx/],
  ['a time', ['--from', 'yesterday'], /such as 2026-03-01T10:00:00Z or 2026-03-01, or how long ago/],
  ['a day that is none', ['--from', '2026-13-01'], /no such time/],
  ['two viewers', ['--as-user', 'a', '--as-customer', 'b'], /cannot be used with/],
  ['a limit', ['--limit', '0'], /whole number from 1 to 10000/],
])('a wrong filter is a usage error: %s', async (_, args, message) => {
  const { code, out, err } = await sallyport(['audit', 'search', ...args], settings)
  expect([code, out]).toEqual([64, ''])
  expect(err).toMatch(message)
})

test('without a database the commands end with 69 and say how to name one', async () => {
  const none = await sallyport(['audit', 'search'], { SALLYPORT_STATE: '/nonexistent' })
  expect(none).toMatchObject({ code: 69, out: '' })
  expect(none.err).toMatch(/no database is known: set SALLYPORT_READER_URL, or start `sallyport up`/)
  const away = await sallyport(['audit', 'tail'], {
    SALLYPORT_READER_URL: 'postgres://reader:secret-word@127.0.0.1:1/x',
  })
  expect([away.code, away.out]).toEqual([69, ''])
  expect(away.err).toMatch(/ECONNREFUSED.*; start it with `sallyport up`/)
  expect(away.err).not.toContain('secret-word')
})

test('the database of the last `up` is found by its state folder', async () => {
  const state = temporary()
  const { writer: w, maintainer, reader } = database.urls
  const urls = { owner: 'x', writer: w.reveal(), maintainer: maintainer.reveal(), reader: reader.reveal() }
  mkdirSync(join(state, 'dev'))
  writeFileSync(join(state, 'dev/database.json'), JSON.stringify(urls), { mode: 0o600 })
  const { code, out } = await sallyport(['audit', 'search', '--status', '403'], { SALLYPORT_STATE: state })
  expect([code, ids(out)]).toEqual([0, idsOf(1)])
})
