import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { postgresPart } from '../../../runtime/embedded/parts/postgres.ts'
import { serverAccount } from '../../../runtime/embedded/postgres/account.ts'
import { ownerUrl } from '../../../runtime/embedded/postgres/cluster.ts'
import { postgresServer, type Server } from '../../../runtime/embedded/postgres/server.ts'
import { isAlive } from '../../../runtime/embedded/processes.ts'
import type { PartEvent } from '../../../runtime/embedded/running-part.ts'
import { supervise } from '../../../runtime/embedded/supervisor.ts'
import { Secret } from '../../../runtime/secret.ts'
import { freePorts } from '../../support/free-ports.ts'
import { startPostgres } from '../../support/postgres.ts'
import { until } from '../../support/until.ts'
import { temporaryFolder } from './temporary-folder.ts'

/** A folder of this test that PostgreSQL's user may pass. */
function passable(): string {
  const folder = temporaryFolder()
  chmodSync(folder, 0o711)
  return folder
}

/** PostgreSQL as `up` has it: under supervision, durable. */
async function supervised(folder: string, password = randomBytes(9).toString('base64url')) {
  const [port = 0] = await freePorts(1)
  const url = ownerUrl(port, password)
  const server = postgresServer({ data: join(folder, 'postgres'), port, password: new Secret(password) })
  const at = { address: '127.0.0.1', port, setting: 'SALLYPORT_POSTGRES_PORT' }
  const part = postgresPart({ at, server, owner: new Secret(url) })
  const events: PartEvent[] = []
  const running = await supervise([part], { logs: join(folder, 'log'), tell: (event) => void events.push(event) })
  onTestFinished(running.stop)
  const readyAgain = (restarts: number) =>
    until(`start ${restarts}`, () => events.find((event) => event.kind === 'ready' && event.restarts === restarts))
  return { ...running, url, server, port, readyAgain, pid: () => running.part('postgres').pid() ?? 0 }
}

/** A connection for the rest of the test; its end by the server is no error of the test. */
async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  onTestFinished(() => client.end().catch(() => undefined))
  await client.connect()
  return client
}

/** Inserts numbers, each in a transaction of its own, until the connection is lost; gives those that PostgreSQL said it has. */
async function insertUntilLost(url: string, from: number): Promise<number[]> {
  const client = await connected(url)
  const acknowledged: number[] = []
  try {
    for (let number = from; ; number++) {
      await client.query('INSERT INTO numbers VALUES ($1)', [number])
      acknowledged.push(number)
    }
  } catch {
    return acknowledged
  }
}

const prepared = (server: Server) => server.command()

test('AU-1 kill -9 of PostgreSQL under load: it is back by itself, with every acknowledged row', async () => {
  const folder = passable()
  const { ready, url, server, pid, readyAgain } = await supervised(folder)
  await ready
  const before = await connected(url)
  await before.query('CREATE TABLE numbers (number int)')
  // A back end in a loop never looks whether its postmaster lives: only the supervisor ends it.
  const busy = await connected(url)
  busy.query('DO $$ BEGIN LOOP END LOOP; END $$').catch(() => undefined)
  const loads = [1, 1_000_001, 2_000_001].map((from) => insertUntilLost(url, from))
  await until('rows', async () => Number((await before.query('SELECT count(*) FROM numbers')).rows[0].count) > 50)
  const killed = server.processes().map((row) => row.pid)
  expect(killed.length).toBeGreaterThan(8)
  process.kill(pid(), 'SIGKILL')
  await readyAgain(1)
  expect(killed.filter(isAlive)).toEqual([])
  expect(readFileSync(join(folder, 'log/postgres.log'), 'utf8')).toContain('automatic recovery')
  const acknowledged = (await Promise.all(loads)).flat()
  const after = await connected(url)
  const { rows } = await after.query<{ number: number }>('SELECT number FROM numbers')
  const there = new Set(rows.map((row) => row.number))
  expect(acknowledged.length).toBeGreaterThan(50)
  expect(acknowledged.filter((number) => !there.has(number))).toEqual([])
})

test('stop ends PostgreSQL within 5 s though clients are in transactions, and cleanly: the next start repairs nothing', async () => {
  const folder = passable()
  const first = await supervised(folder, 'kept')
  await first.ready
  const client = await connected(first.url)
  await client.query('BEGIN; CREATE TABLE never (x int)')
  const began = performance.now()
  await first.stop()
  expect(performance.now() - began).toBeLessThan(5_000)
  expect(first.server.processes()).toEqual([])
  const second = await supervised(folder, 'kept')
  await second.ready
  expect(readFileSync(join(folder, 'log/postgres.log'), 'utf8')).not.toContain('automatic recovery')
})

test('a lock file that names a living process of something else does not keep PostgreSQL from starting', async () => {
  const folder = passable()
  const first = await supervised(folder, 'kept')
  await first.ready
  await first.stop()
  // The pid of a killed postmaster came again, for a process of the same user: PostgreSQL by itself would give up.
  const stranger = spawn('sleep', ['60'], { ...(await serverAccount()), stdio: 'ignore' })
  onTestFinished(() => void stranger.kill('SIGKILL'))
  writeFileSync(join(folder, 'postgres/postmaster.pid'), `${stranger.pid}\n${folder}/postgres\n`)
  const second = await supervised(folder, 'kept')
  await second.ready
  expect(isAlive(stranger.pid ?? 0)).toBe(true)
})

test('a kill -9 of the test server leaves no process, and start brings its data back on the same port', async () => {
  const postgres = await startPostgres()
  await (await connected(postgres.ownerUrl)).query('CREATE TABLE kept (x int)')
  const { pid } = postgres
  await postgres.kill()
  expect(isAlive(pid)).toBe(false)
  await postgres.start()
  expect((await (await connected(postgres.ownerUrl)).query('SELECT * FROM kept')).rows).toEqual([])
})

test('the owner is no superuser, and the superuser cannot come in', async () => {
  const { ownerUrl: url } = await startPostgres()
  const client = await connected(url)
  const { rows } = await client.query('SELECT rolname, rolsuper FROM pg_roles WHERE rolcanlogin ORDER BY 1')
  expect(rows).toEqual([
    { rolname: 'postgres', rolsuper: true },
    { rolname: 'sallyport_owner', rolsuper: false },
  ])
  const superuser = new URL(url)
  superuser.username = 'postgres'
  await expect(connected(superuser.href)).rejects.toThrow(/password authentication failed/)
  superuser.password = ''
  await expect(connected(superuser.href)).rejects.toThrow(/password/)
})

test('another password in database.json, or a new database.json, is the one that holds from the next start on', async () => {
  const folder = passable()
  const first = await supervised(folder, 'former')
  await first.ready
  await first.stop()
  const second = await supervised(folder, 'present')
  await second.ready
  await connected(second.url)
  await expect(connected(ownerUrl(second.port, 'former'))).rejects.toThrow(/password authentication failed/)
})

test('a data folder of another version, of another user, or of something else is refused and left as it is', async () => {
  const data = join(passable(), 'postgres')
  const server = postgresServer({ data, port: 1, password: new Secret('x') })
  mkdirSync(data, { mode: 0o700 })
  const account = await serverAccount()
  if (account !== undefined) {
    await expect(prepared(server)).rejects.toThrow(`belongs to uid 0, and PostgreSQL would run as ${account.uid}`)
    chownSync(data, account.uid, account.gid)
  }
  await expect(prepared(server)).rejects.toThrow('is no data folder of PostgreSQL')
  writeFileSync(join(data, 'PG_VERSION'), '17\n')
  await expect(prepared(server)).rejects.toThrow('was made by PostgreSQL 17 and cannot be read by 18')
  expect(readFileSync(join(data, 'PG_VERSION'), 'utf8')).toBe('17\n')
})
