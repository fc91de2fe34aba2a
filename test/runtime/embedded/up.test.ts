import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { PORT_SETTINGS } from '../../../runtime/embedded/ports-table.ts'
import { descendantsInSession } from '../../../runtime/embedded/processes.ts'
import { freePorts } from '../../support/free-ports.ts'
import { until } from '../../support/until.ts'
import { temporaryFolder } from './temporary-folder.ts'

const ROOT = join(import.meta.dirname, '../../..')

/** `sallyport up` with ports and state of its own, just started. */
async function launch() {
  const names = Object.values(PORT_SETTINGS).map(({ name }) => name)
  const ports = await freePorts(names.length)
  const settings = Object.fromEntries(names.map((name, at) => [name, String(ports[at])]))
  const state = temporaryFolder()
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: state,
    SALLYPORT_STATE: state,
    SALLYPORT_WORKERS: '1',
    ...settings,
  }
  const child = spawn(process.execPath, [join(ROOT, 'bin/sallyport'), 'up'], { cwd: ROOT, env, detached: true })
  const said = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text
  })
  const end = new Promise<number | null>((resolve) => child.once('close', resolve))
  onTestFinished(async () => {
    child.kill('SIGTERM')
    await end
  })
  return { child, said, end, env }
}

/** `sallyport up` when everything is ready. */
async function up() {
  const launched = await launch()
  const { said } = launched
  const curls = () => said.out.split('\n').filter((line) => line.startsWith('curl '))
  await until('five curl lines', () => curls().length === 5 || undefined, 30_000).catch((error: unknown) => {
    throw new Error(`up said:\n${said.err}`, { cause: error })
  })
  return { ...launched, curls: curls() }
}

test('`up` starts everything, its five curl lines work as printed, Ctrl-C leaves nothing running', {
  timeout: 60_000,
}, async () => {
  const { child, said, curls, end, env } = await up()
  expect(said.err).toMatch(/^download +\d+\.\d s/m)
  expect(said.err).toMatch(/^start +\d+\.\d s/m)
  const answers = curls.map((line) => execFileSync('/bin/sh', ['-c', `${line} -sS`], { cwd: ROOT, encoding: 'utf8' }))
  expect(answers.map((answer) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]))).toEqual([200, 401, 403, 200, 404])
  expect(answers[0]).toMatch(/"x-user-id"/i)
  expect(answers[0]).toContain('"upstream":"plant"')
  expect(answers[3]).toMatch(/x-target-backend[": ,]+sandbox/i)
  expect(answers[3]).toContain('"upstream":"plant-sandbox"')
  for (const refusal of [answers[1], answers[2], answers[4]])
    expect(refusal).toContain('content-type: application/problem+json')
  const parts = ['plant', 'plant-sandbox', 'issuer', 'xds-server', 'ext-authz', 'postgres', 'recorder', 'envoy']
  for (const part of parts) expect(said.err).toMatch(new RegExp(`^  ${part} +\\S.*ready in \\d+ ms$`, 'm'))
  expect(said.err).toMatch(/^audit +postgres:\/\/127\.0\.0\.1:\d+\/sallyport .*bin\/sallyport audit tail$/m)
  const secrets = JSON.parse(readFileSync(join(env.SALLYPORT_STATE, 'dev/database.json'), 'utf8'))
  for (const url of Object.values<string>(secrets)) expect(said.err + said.out).not.toContain(new URL(url).password)
  const started = Date.now()
  process.kill(-(child.pid ?? 0), 'SIGINT')
  expect(await end).toBe(0)
  expect(Date.now() - started).toBeLessThan(5_000)
  expect(descendantsInSession(child.pid ?? 0)).toEqual([])
  expect(said.err).toMatch(/stopped in/)
})

test('a second `up` on the same state, on other ports, says that one runs already and touches nothing of it', {
  timeout: 60_000,
}, async () => {
  const { child, env, end } = await up()
  const bindings = () => readFileSync(join(env.SALLYPORT_STATE, 'dev/bindings.json'), 'utf8')
  const before = bindings()
  const [port] = await freePorts(1)
  const second = spawn(process.execPath, [join(ROOT, 'bin/sallyport'), 'up'], {
    cwd: ROOT,
    env: { ...env, SALLYPORT_HTTP_PORT: String(port) },
  })
  let err = ''
  second.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  expect(await new Promise((resolve) => second.once('close', resolve))).toBe(69)
  expect(err).toContain(`it runs here already (pid ${child.pid})`)
  expect(bindings()).toBe(before)
  child.kill('SIGTERM')
  expect(await end).toBe(0)
})

test('`up | head -0`: output that nobody reads stops it in order and leaves nothing running', {
  timeout: 60_000,
}, async () => {
  const { child, said, end } = await launch()
  child.stdout.destroy()
  expect(await end).toBe(0)
  expect(said.err).toMatch(/SIGPIPE: stopping\n(> .*\n)*stopped in/)
  expect(descendantsInSession(child.pid ?? 0)).toEqual([])
})
