import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, type TestContext, test } from 'vitest'
import { descendantsInSession, isAlive, type ProcessRow } from '../../runtime/embedded/processes.ts'
import { freePorts } from '../support/free-ports.ts'
import { http } from '../support/http.ts'
import { until } from '../support/until.ts'

const MAIN = join(import.meta.dirname, '../../ext-authz/main.ts')

/** ext-authz with two workers, serving; tests that run at once each clean up through their own context. */
async function extAuthz({ onTestFinished }: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-workers-'))
  const runDir = join(folder, 'run')
  const [port = 0] = await freePorts(1)
  const main = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN], {
    env: { SALLYPORT_RUN_DIR: runDir, SALLYPORT_WORKERS: '2', SALLYPORT_AUTHZ_METRICS_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  const pid = main.pid ?? 0
  const said: string[] = []
  main.stdout.setEncoding('utf8').on('data', (text: string) => void said.push(text))
  const end = new Promise<number | null>((resolve) => main.once('exit', resolve))
  onTestFinished(() => {
    for (const row of descendantsInSession(pid)) process.kill(row.pid, 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const ready = () => http({ port, path: '/ready' }).then(({ status }) => status === 200)
  await until('both workers to serve', ready)
  const workers = (): ProcessRow[] => descendantsInSession(pid).filter((row) => row.pid !== pid)
  const sockets = () => [0, 1].filter((index) => existsSync(join(runDir, `ext-authz-${index}.sock`)))
  return { main, runDir, end, ready, workers, sockets, said: () => said.join('') }
}

test.concurrent('a worker that stands still is killed and started again within seconds', {
  timeout: 30_000,
}, async (context) => {
  const { workers, ready, said, main, end } = await extAuthz(context)
  const [still, other] = workers().map(({ pid }) => pid)
  process.kill(still ?? 0, 'SIGSTOP')
  await until('the worker to be gone', () => !isAlive(still ?? 0))
  await until('another in its place', async () => workers().length === 2 && (await ready()))
  expect(workers().map(({ pid }) => pid)).toContain(other)
  expect(said()).toContain('has not answered for 5 s and is killed')
  main.kill('SIGTERM')
  expect(await end).toBe(0)
})

test.concurrent('a run folder that was removed comes back with its sockets, one worker at a time', {
  timeout: 30_000,
}, async (context) => {
  const { runDir, sockets, ready, workers, main, end } = await extAuthz(context)
  const before = workers().map(({ pid }) => pid)
  rmSync(runDir, { recursive: true })
  let fewest = 2
  await until('both sockets', async () => {
    fewest = Math.min(fewest, before.filter(isAlive).length + sockets().length)
    return sockets().length === 2 && (await ready())
  })
  expect(fewest).toBeGreaterThan(0)
  main.kill('SIGTERM')
  expect(await end).toBe(0)
})

test.concurrent('SIGTERM ends a worker that cannot drain as well: no process is left', {
  timeout: 30_000,
}, async (context) => {
  const { workers, main, end } = await extAuthz(context)
  const all = workers().map(({ pid }) => pid)
  process.kill(all[0] ?? 0, 'SIGSTOP')
  main.kill('SIGTERM')
  expect(await end).toBe(0)
  await until('all workers to be gone', () => !all.some(isAlive))
})
