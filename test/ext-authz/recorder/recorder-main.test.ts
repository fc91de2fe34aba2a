import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openReader } from '../../../ext-authz/store/reader.ts'
import { startGuardian } from '../../../runtime/embedded/guardian.ts'
import { Secret } from '../../../runtime/secret.ts'
import { freePorts } from '../../support/free-ports.ts'
import { startPostgres } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'
import { decisionJson, lineJson } from './halves.ts'
import { type TestNode, testNode } from './recording.ts'
import { prepareDatabase, type TestLogins } from './store-for-tests.ts'

const MAIN = join(import.meta.dirname, '../../../ext-authz/recorder/recorder-main.ts')

/** A recorder process; killed at the end of the test. */
interface Process {
  readonly child: ChildProcess
  readonly address: string
  said(): string
}

async function startRecorder(
  node: TestNode,
  logins: TestLogins,
  settings: Record<string, string> = {},
): Promise<Process> {
  const [port] = await freePorts(1)
  const child = spawn(process.execPath, [MAIN], {
    env: {
      SALLYPORT_NODE: node.node,
      SALLYPORT_SPOOL_DIR: node.spoolFolder,
      SALLYPORT_ACCESS_LOG: node.accessLog,
      SALLYPORT_RECORDER_DIR: node.folder,
      SALLYPORT_WRITER_URL: logins.writer.reveal(),
      SALLYPORT_MAINTAINER_URL: logins.maintainer.reveal(),
      SALLYPORT_RECORDER_METRICS_PORT: String(port),
      SALLYPORT_BATCH_ROWS: '20',
      SALLYPORT_BATCH_MS: '200',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  // Ends it also where the test run is cut short.
  const guardian = startGuardian(() => undefined)
  guardian.guard(child.pid === undefined ? [] : [child.pid])
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await guardian.dismiss()
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (said += text))
  return { child, address: `http://127.0.0.1:${port}`, said: () => said }
}

const isReady = async ({ address }: Process) =>
  fetch(`${address}/ready`).then(
    ({ ok }) => ok,
    () => false,
  )

const status = async ({ address }: Process) => (await fetch(`${address}/status`)).text()

async function countRows(logins: TestLogins, node: string): Promise<number> {
  const reader = openReader(logins.reader)
  try {
    return await reader.count({ node }, { role: 'admin' })
  } finally {
    await reader.close()
  }
}

async function exitOf({ child }: Process): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const [code] = (await once(child, 'exit')) as [number | null]
  return code
}

test('AU-1 a recorder that is killed again and again leaves one row for each request', {
  timeout: 60_000,
}, async () => {
  const postgres = await startPostgres()
  const logins = await prepareDatabase(postgres.ownerUrl)
  const node = testNode('killed')
  let recorder = await startRecorder(node, logins)
  let sent = 0
  for (let kills = 0; kills < 6; kills++) {
    await until('the recorder', () => isReady(recorder))
    const before = sent
    for (; sent < before + 800; sent++) {
      const at = Date.now() * 1000 + (sent % 1000)
      const event = await node.decide(decisionJson(`request-${sent}`, { at }), sent % 2)
      node.log(lineJson(`request-${sent}`, { at, event }))
    }
    // Somewhere between reading, keeping, writing and deleting.
    await until('some of them', async () => (await countRows(logins, node.node)) > before + kills * 100)
    recorder.child.kill('SIGKILL')
    await exitOf(recorder)
    recorder = await startRecorder(node, logins)
  }
  await until('all rows', async () => (await countRows(logins, node.node)) >= sent)
  await until('the recorder', () => isReady(recorder))
  recorder.child.kill('SIGTERM')
  expect(await exitOf(recorder)).toBe(0)
  expect(await countRows(logins, node.node)).toBe(sent)
  expect(recorder.said()).not.toMatch(/"level":[56]0/)
})

test('AU-1 what was read is written before the recorder ends by itself', async () => {
  const postgres = await startPostgres()
  const logins = await prepareDatabase(postgres.ownerUrl)
  const node = testNode('drained')
  const recorder = await startRecorder(node, logins, { SALLYPORT_BATCH_ROWS: '2000', SALLYPORT_BATCH_MS: '60000' })
  await until('the recorder', () => isReady(recorder))
  const at = Date.now() * 1000
  node.log(lineJson('one', { at, upstream_host: null }))
  await until('the line to be read', async () =>
    (await (await fetch(`${recorder.address}/metrics`)).text()).includes('became="envoy",process="recorder"} 1'),
  )
  expect(await countRows(logins, node.node)).toBe(0)
  recorder.child.kill('SIGTERM')
  expect(await exitOf(recorder)).toBe(0)
  expect(await countRows(logins, node.node)).toBe(1)
})

test('AU-1 two recorders do not share a folder, and the one of a dead process is taken over', async () => {
  const node = testNode('shared')
  // Nobody listens there: neither comes so far.
  const nowhere = new Secret('postgres://writer:password@127.0.0.1:9/none')
  const logins = { writer: nowhere, maintainer: nowhere, reader: nowhere }
  const first = await startRecorder(node, logins)
  await until('the first', () => isReady(first))
  const second = await startRecorder(node, logins)
  expect(await exitOf(second)).toBe(1)
  expect(second.said()).toContain(`belongs to the recorder with pid ${first.child.pid}`)
  first.child.kill('SIGKILL')
  await exitOf(first)
  const third = await startRecorder(node, logins)
  await until('the third', () => isReady(third))
})

test('AU-4 a recorder with the owner’s URL waits for PostgreSQL, brings it up to date, and goes on reading meanwhile', async () => {
  const postgres = await startPostgres()
  await postgres.stop()
  const login = (duty: string) => {
    const url = new URL(postgres.ownerUrl)
    url.username = `fresh_${duty}`
    url.password = `password-of-${duty}`
    return new Secret(url.href)
  }
  const logins = { writer: login('writer'), maintainer: login('maintainer'), reader: login('reader') }
  const node = testNode('fresh')
  const recorder = await startRecorder(node, logins, {
    SALLYPORT_OWNER_URL: postgres.ownerUrl,
    SALLYPORT_READER_URL: logins.reader.reveal(),
  })
  await until('the recorder', () => isReady(recorder))
  node.log(lineJson('one', { at: Date.now() * 1000, upstream_host: null }))
  await until('it to say why it waits', async () => (await status(recorder)).includes('ECONNREFUSED'))
  expect(await isReady(recorder), 'or a supervisor would start it again and again').toBe(true)
  await postgres.start()
  await until('the row', async () => (await countRows(logins, node.node)) === 1)
  expect(JSON.parse(await status(recorder))).toEqual({ stuck: null })
  await until('partitions ahead', async () =>
    /recorder_partitions_ahead\{process="recorder"\} [3-9]/.test(
      await (await fetch(`${recorder.address}/metrics`)).text(),
    ),
  )
  expect(recorder.said()).not.toContain('password-of')
})

test('AU-1 a log that has grown is rotated through Envoy’s admin, and all of its lines are recorded', async () => {
  const postgres = await startPostgres()
  const logins = await prepareDatabase(postgres.ownerUrl)
  const node = testNode('rotated')
  let reopened = 0
  const admin = createServer((request, response) => {
    reopened += request.method === 'POST' && request.url === '/reopen_logs' ? 1 : 0
    appendFileSync(node.accessLog, '')
    response.end('OK')
  })
  admin.listen(0, '127.0.0.1')
  await once(admin, 'listening')
  onTestFinished(() => void admin.close())
  const at = Date.now() * 1000
  for (let sent = 0; sent < 200; sent++) node.log(lineJson(`request-${sent}`, { at: at + sent, upstream_host: null }))
  const recorder = await startRecorder(node, logins, {
    SALLYPORT_ENVOY_ADMIN: `http://127.0.0.1:${(admin.address() as AddressInfo).port}`,
    SALLYPORT_LOG_BYTES: '65536',
  })
  await until('all rows', async () => (await countRows(logins, node.node)) === 200)
  await until('the rotation', () => reopened === 1)
  node.log(lineJson('after', { at: at + 500, upstream_host: null }))
  await until('the line in the new file', async () => (await countRows(logins, node.node)) === 201)
  expect(recorder.said()).not.toMatch(/"level":[56]0/)
})
