import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { DeadLetters } from '../../../../ext-authz/recorder/dead-letters.ts'
import { openMaintainer } from '../../../../ext-authz/store/maintainer.ts'
import { openWriter } from '../../../../ext-authz/store/writer.ts'
import { Secret } from '../../../../runtime/secret.ts'
import { loginUrls } from '../../../ext-authz/store/database.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { sallyport } from '../command.ts'
import { History, leavesOf, NOON, request } from './history.ts'

test('AU-4 `audit migrate` makes schema and logins in a PostgreSQL of one’s own, says what it did, and may be repeated', async () => {
  const { ownerUrl } = await startPostgres()
  const urls = loginUrls(ownerUrl)
  const logins = {
    SALLYPORT_WRITER_URL: urls.writer.reveal(),
    SALLYPORT_MAINTAINER_URL: urls.maintainer.reveal(),
    SALLYPORT_READER_URL: urls.reader.reveal(),
  }
  const first = await sallyport(['audit', 'migrate'], { SALLYPORT_OWNER_URL: ownerUrl })
  expect([first.code, first.out]).toEqual([0, expect.stringContaining('gateway_audit_logs')])
  expect(first.err).toMatch(/migrations done\nno logins made: set SALLYPORT_WRITER_URL/)
  const again = await sallyport(['audit', 'migrate', '--database', ownerUrl], logins)
  expect([again.code, again.out]).toEqual([0, ''])
  expect(again.err).toBe(
    'the schema is of this version already\nlogins: writer (writer), maintainer (maintainer), reader (reader)\n',
  )
  expect((await sallyport(['audit', 'search'], logins)).code).toBe(0)
  const shared = { ...logins, SALLYPORT_READER_URL: urls.writer.reveal() }
  const refused = await sallyport(['audit', 'migrate'], { ...shared, SALLYPORT_OWNER_URL: ownerUrl })
  expect([refused.code, refused.err]).toEqual([77, expect.stringContaining('the same user writer')])
  for (const secret of [ownerUrl, ...Object.values(logins)])
    expect(first.err + again.err + refused.err).not.toContain(new URL(secret).password)
})

test('`audit migrate` with a URL that is none, or two logins of three, is a usage error; without a server it ends with 69', async () => {
  expect(await sallyport(['audit', 'migrate', '--database', 'db.internal'])).toMatchObject({ code: 64, out: '' })
  const owner = { SALLYPORT_OWNER_URL: 'postgres://o:p@127.0.0.1:1/x' }
  const two = await sallyport(['audit', 'migrate'], { ...owner, SALLYPORT_WRITER_URL: 'postgres://w:p@127.0.0.1:1/x' })
  expect([two.code, two.err]).toEqual([64, expect.stringContaining('go together')])
  expect((await sallyport(['audit', 'migrate'], owner)).code).toBe(69)
})

test('AU-8 `audit replay` writes what can be written now, keeps what cannot with the reason, and `verify` is clean again', async () => {
  const { ownerUrl } = await startPostgres()
  const urls = loginUrls(ownerUrl)
  const settings = {
    SALLYPORT_OWNER_URL: ownerUrl,
    SALLYPORT_WRITER_URL: urls.writer.reveal(),
    SALLYPORT_MAINTAINER_URL: urls.maintainer.reveal(),
    SALLYPORT_READER_URL: urls.reader.reveal(),
    SALLYPORT_RECORDER_DIR: mkdtempSync(join(tmpdir(), 'sallyport-replay-')),
  }
  const recorder = settings.SALLYPORT_RECORDER_DIR
  onTestFinished(() => rmSync(recorder, { recursive: true }))
  expect((await sallyport(['audit', 'replay'], settings)).code).toBe(66)
  expect((await sallyport(['audit', 'migrate'], settings)).code).toBe(0)
  await openMaintainer(new Secret(settings.SALLYPORT_MAINTAINER_URL)).ensure(NOON)
  const writer = openWriter(new Secret(settings.SALLYPORT_WRITER_URL))
  onTestFinished(() => writer.close())
  const history = new History(writer)
  const key = history.publish(join(recorder, 'signing-key.pub.pem'))
  // One that was refused for a reason that has passed, and one whose month nobody made.
  const [good, bad] = [request(), request({ at: Date.UTC(2031, 0, 1) * 1_000 })]
  const [goodRow, badRow] = [history.row(good), history.row(bad)]
  const { root } = await history.writeBatch([], [], [...leavesOf(goodRow), ...leavesOf(badRow)])
  const letters = await DeadLetters.open(join(recorder, 'dead-letters'), 'edge-1')
  for (const [{ event, decision, line }, { timestamp, id }] of [[good, goodRow] as const, [bad, badRow] as const]) {
    const half = decision === undefined ? undefined : { json: decision, event }
    const entry = { kind: 'row', outcome: 'completed', timestamp, id, decision: half, line, sure: true } as const
    await letters.put(entry, root, { reason: 'test', sqlstate: '23514' })
  }
  const before = await sallyport(['audit', 'verify', '--no-spool', '--key', key], settings)
  expect([before.code, before.out.match(/^dead letter: /gm)?.length]).toEqual([1, 4])
  const replayed = await sallyport(['audit', 'replay'], settings)
  expect([replayed.code, replayed.err]).toEqual([1, '1 written, 1 refused again\n'])
  expect(replayed.out).toMatch(
    /\.row\.json: no partition for 2031-01: it was dropped, or the recorder has not made it\n$/,
  )
  expect(readdirSync(join(recorder, 'dead-letters')).filter((name) => name.endsWith('.row.json'))).toHaveLength(1)
  const after = await sallyport(['audit', 'verify', '--no-spool', '--to', '2030-01-01'], settings)
  expect([after.code, after.out]).toEqual([0, ''])
})
