import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { onTestFinished } from 'vitest'
import { ownerUrl } from '../../runtime/embedded/postgres/cluster.ts'
import { postgresServer, type Server } from '../../runtime/embedded/postgres/server.ts'
import { endSession } from '../../runtime/embedded/running-part.ts'
import { Secret } from '../../runtime/secret.ts'
import { freePorts } from './free-ports.ts'

/** A PostgreSQL for one test or one test file, with an empty database. */
export interface TestPostgres {
  /** Comes in as the owner of the database `sallyport`: CREATEROLE and BYPASSRLS, no superuser, as `up` has it. */
  readonly ownerUrl: string
  readonly port: number
  /** Of the present postmaster; that of the last one while none runs. */
  readonly pid: number
  /** SIGKILL to the postmaster; resolves when its back ends are gone too. */
  kill(): Promise<void>
  /** Fast shutdown, as Ctrl-C of `up` does it. */
  stop(): Promise<void>
  /** After `kill` or `stop`: the same data on the same port; resolves when it answers a query. */
  start(): Promise<void>
  /** Stops it and removes its folder. Called by itself where the server was started inside a test; else by the file's `afterAll`. */
  end(): Promise<void>
}

const ANSWERS_WITHIN_MS = 15_000
const PORT_TRIES = 3

/** Starts a PostgreSQL of its own in a temporary folder. It does not outlive the test process, however that ends. */
export async function startPostgres(): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-postgres-'))
  // As root its server runs as nobody, who has to pass here.
  chmodSync(folder, 0o711)
  const postgres = await startedOnAFreePort(folder).catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true })
    throw error
  })
  endWithTest(postgres.end)
  return postgres
}

/** Between the look for a free port and its use, another test may take it. */
async function startedOnAFreePort(folder: string): Promise<TestPostgres> {
  const password = new Secret(randomBytes(18).toString('base64url'))
  for (let attempt = 1; ; attempt++) {
    const [port = 0] = await freePorts(1)
    const server = postgresServer({ data: join(folder, 'data'), port, password, durable: false })
    const url = ownerUrl(port, password.reveal())
    const running = runServer(server, { url, folder })
    try {
      await running.start()
      return testPostgres(running, { folder, port, url })
    } catch (error) {
      await running.stop()
      await running.dismiss()
      if (attempt === PORT_TRIES || !String(error).includes('could not bind')) throw error
    }
  }
}

function testPostgres(running: Running, at: { folder: string; port: number; url: string }): TestPostgres {
  const { start, stop, kill } = running
  return {
    ownerUrl: at.url,
    port: at.port,
    get pid() {
      return running.pid()
    },
    start,
    stop,
    kill,
    end: async () => {
      // A killed server leaves shared memory behind, which only the next one on its data takes away.
      if (running.wasKilled()) await start()
      await stop()
      await running.dismiss()
      rmSync(at.folder, { recursive: true, force: true })
    },
  }
}

interface Running {
  pid(): number
  wasKilled(): boolean
  start(): Promise<void>
  stop(): Promise<void>
  kill(): Promise<void>
  /** Nothing runs that would have to end with this process. */
  dismiss(): Promise<void>
}

function runServer(server: Server, { url, folder }: { url: string; folder: string }): Running {
  const caretaker = startCaretaker(folder)
  let child: ChildProcess | undefined
  let pid = 0
  let killed = false
  const strays = server.processes
  const start = async () => {
    if (child !== undefined) return
    child = await spawnServer(server)
    pid = child.pid ?? 0
    caretaker.watch(pid)
    killed = false
    await untilItAnswers(url, child)
  }
  const ended = async (ending: { first?: NodeJS.Signals; patienceMs?: number }) => {
    if (child !== undefined) await endSession(pid, { ...ending, strays })
    child = undefined
  }
  return {
    pid: () => pid,
    wasKilled: () => killed,
    start,
    stop: () => ended({ first: 'SIGINT' }),
    kill: async () => {
      killed = true
      await ended({ patienceMs: 0 })
    },
    dismiss: caretaker.dismiss,
  }
}

/**
 * A shell that outlives a test process which ends without `end` (its runner kills it, say), shuts the server down and removes the
 * folder, `$1`. It keeps the last line that it read: the postmaster's pid, or nothing when there is nothing left to do.
 */
const CARETAKER = `
while read -r line; do pid=$line; done
[ -n "$pid" ] || exit 0
kill -s INT "$pid"
for wait in 1 2 3 4 5 6 7 8 9; do kill -s 0 "$pid" || break; sleep 0.2; done
kill -s KILL -- "-$pid"
for wait in 1 2 3 4 5 6 7 8 9; do rm -rf "$1" && break; sleep 0.2; done
`

function startCaretaker(folder: string) {
  const shell = spawn('/bin/sh', ['-c', CARETAKER, 'caretaker', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  shell.stdin.on('error', () => undefined)
  shell.unref()
  return {
    watch: (pid: number) => void shell.stdin.write(`${pid}\n`),
    dismiss: async () => {
      if (shell.exitCode !== null) return
      const ended = new Promise((resolve) => shell.once('exit', resolve))
      shell.ref()
      shell.stdin.end('\n')
      await ended
    },
  }
}

async function spawnServer(server: Server): Promise<ChildProcess> {
  const { file, args, env, cwd, account } = await server.command()
  return spawn(file, args, {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    ...(cwd === undefined ? {} : { cwd }),
    ...account,
  })
}

async function untilItAnswers(url: string, child: ChildProcess): Promise<void> {
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-10_000)
  })
  const exit = new Promise<never>((_, reject) => {
    child.once('close', (code) => reject(new Error(`postgres ended (${code}):\n${said}`)))
  })
  // Later it ends when it is told to.
  exit.catch(() => undefined)
  const deadline = performance.now() + ANSWERS_WITHIN_MS
  for (;;) {
    const failed = await Promise.race([exit, query(url)])
    if (failed === undefined) return
    if (performance.now() > deadline) throw new Error(`postgres does not answer:\n${said}`, { cause: failed })
    await pause(10)
  }
}

/** Undefined when it went well. */
async function query(url: string): Promise<unknown> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return undefined
  } catch (error) {
    return error
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Where no test runs, in `beforeAll` say, the file ends it itself. */
function endWithTest(end: () => Promise<void>): void {
  try {
    onTestFinished(end)
  } catch {
    return
  }
}
