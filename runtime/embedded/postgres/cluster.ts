import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Secret } from '../../secret.ts'
import { environmentFor } from '../part.ts'
import type { Account } from './account.ts'
import type { Programs } from './programs.ts'

/** The one database of a development cluster, and the role that owns it: it may make roles and policies, and is no superuser. */
export const DATABASE = 'sallyport'
export const OWNER = 'sallyport_owner'

/** URL by which the owner comes in from this machine. */
export const ownerUrl = (port: number, password: string): string =>
  `postgres://${OWNER}:${password}@127.0.0.1:${port}/${DATABASE}`

/** What a cluster is made of. */
export interface ClusterOptions {
  readonly programs: Programs
  readonly account: Account | undefined
  /** Data folder; its parent exists. */
  readonly data: string
  /** Of {@link OWNER}; letters, digits, `-` and `_`. */
  readonly password: Secret
  /** False only where losing the data on a power cut is fine: tests. */
  readonly durable: boolean
}

/** A program that neither ends nor answers must not hold up the start for ever, ms. */
const PROGRAM_WITHIN_MS = 60_000
/** In the data folder: which password {@link OWNER} has, as a hash. */
const PASSWORD_MARK = 'sallyport.password'

/** Who may come in: over TCP from this machine, with a password. The superuser has none and so cannot. */
const HOST_RULES = 'host all all 127.0.0.1/32 scram-sha-256\n'

/**
 * Makes the cluster when the data folder is not there, whole or not at all, and sees that the owner has the given password. Its server
 * must not run. Throws, saying what to do, when the folder is another version's, another user's or no cluster.
 */
export async function prepareCluster(options: ClusterOptions): Promise<void> {
  if (!(await checkedData(options))) await makeCluster(options)
  await givePassword(options)
}

/** False when there is no data folder yet. */
async function checkedData({ data, programs, account }: ClusterOptions): Promise<boolean> {
  const info = await stat(data).catch(() => undefined)
  if (info === undefined) return false
  const uid = account?.uid ?? process.getuid?.()
  const cure = 'give it back, or move it away for an empty one (SALLYPORT_STATE sets another place for everything)'
  if (info.uid !== uid)
    throw new Error(`${data}: belongs to uid ${info.uid}, and PostgreSQL would run as ${uid}; ${cure}`)
  const version = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (version === undefined) throw new Error(`${data}: is no data folder of PostgreSQL; ${cure}`)
  if (version.trim() !== programs.major) {
    throw new Error(
      `${data}: was made by PostgreSQL ${version.trim()} and cannot be read by ${programs.major}; ` +
        'dump it with the former version and load it again, or move it away for an empty one',
    )
  }
  return true
}

/** One character set and one order of texts on every machine, whatever its locales. */
const INITDB = [
  '--username=postgres',
  '--encoding=UTF8',
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--auth=reject',
]

async function makeCluster(options: ClusterOptions): Promise<void> {
  const { data, account, durable } = options
  const drafts = await readdir(dirname(data))
  for (const name of drafts.filter((name) => name.startsWith(`${basename(data)}.`) && name.endsWith('.new')))
    await rm(join(dirname(data), name), { recursive: true, force: true })
  const draft = `${data}.${randomBytes(6).toString('hex')}.new`
  await mkdir(draft, { mode: 0o700 })
  if (account !== undefined) await chown(draft, account.uid, account.gid)
  const sync = durable ? [] : ['--no-sync']
  await run({ ...options, data: draft }, 'initdb', [...INITDB, ...sync, '-D', draft])
  await put(options, join(draft, 'pg_hba.conf'), HOST_RULES)
  await single({ ...options, data: draft }, [
    // As much as the owner needs to make the logins and the function that completes a row, and no more.
    `CREATE ROLE ${OWNER} LOGIN CREATEROLE BYPASSRLS`,
    `CREATE DATABASE ${DATABASE} OWNER ${OWNER}`,
    `REVOKE ALL ON DATABASE ${DATABASE} FROM PUBLIC`,
  ])
  await rename(draft, data)
}

/** The superuser cannot log in, so the password is given by the server in single-user mode, which runs while nothing else does. */
async function givePassword(options: ClusterOptions): Promise<void> {
  const mark = join(options.data, PASSWORD_MARK)
  const password = options.password.reveal()
  const given = createHash('sha256').update(password).digest('hex')
  if ((await readFile(mark, 'utf8').catch(() => undefined)) === given) return
  if (!/^[\w-]+$/.test(password)) throw new Error(`the password of ${OWNER} must be of letters, digits, - and _`)
  await single(options, [`ALTER ROLE ${OWNER} PASSWORD '${password}'`])
  await put(options, mark, given)
}

function single(options: ClusterOptions, statements: readonly string[]): Promise<void> {
  const quiet = ['-c', 'log_checkpoints=off', '-c', `fsync=${options.durable ? 'on' : 'off'}`]
  const args = ['--single', '-j', '-D', options.data, ...quiet, 'postgres']
  // -j: a statement ends with a semicolon and an empty line.
  return run(options, 'postgres', args, statements.map((statement) => `${statement};\n\n`).join(''))
}

/** Runs one program to its end as the server's user; throws with its own words. */
async function run(options: ClusterOptions, program: string, args: readonly string[], input = ''): Promise<void> {
  const { programs, account } = options
  await new Promise<void>((resolve, reject) => {
    const running = { cwd: '/', env: environmentFor({}), timeout: PROGRAM_WITHIN_MS, ...account }
    const child = execFile(join(programs.bin, program), args, running, (cause, stdout, stderr) => {
      const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-10).join('\n')
      // Single-user mode goes on after a statement that failed, and says so only here.
      if (cause === null && !/\b(ERROR|FATAL|PANIC):/.test(stderr)) resolve()
      else reject(new Error(`${program} could not prepare ${options.data}:\n${said}`, { cause: cause ?? undefined }))
    })
    // A program that ended before it read its input has said why.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}

/** Writes a file of the data folder that the server's user can read. */
async function put({ account }: ClusterOptions, file: string, text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 })
  await chmod(file, 0o600)
  if (account !== undefined) await chown(file, account.uid, account.gid)
}
