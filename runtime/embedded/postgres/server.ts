import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Secret } from '../../secret.ts'
import { type Command, environmentFor } from '../part.ts'
import type { ProcessRow } from '../processes.ts'
import { type Account, closedToOthers, serverAccount } from './account.ts'
import { prepareCluster } from './cluster.ts'
import { postgresPrograms } from './programs.ts'
import { serverProcesses, untilServerGone } from './server-processes.ts'

/** What a PostgreSQL of this machine is started with. */
export interface ServerOptions {
  /** Data folder, made at the first start. Another user must be able to reach it when this process is root's. */
  readonly data: string
  /** On 127.0.0.1. */
  readonly port: number
  /** Of the database's owner; letters, digits, `-` and `_`. */
  readonly password: Secret
  /** False: fsync off, for tests. Default true. */
  readonly durable?: boolean
}

/** A PostgreSQL of this machine, not started. */
export interface Server {
  /** Waits for what a killed server left, makes the cluster if need be, and says what to run; in a session of its own, please. */
  command(): Promise<Command>
  /** Its processes, back ends in sessions of their own included. */
  processes(): readonly ProcessRow[]
}

/** Small enough to stand beside everything else on a laptop; only durability is as in production. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '50',
  shared_buffers: '32MB',
  // A checkpoint every few seconds of a test run would cost more than it saves.
  max_wal_size: '256MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
}

/** PostgreSQL 18 from the npm platform package, for development and tests; nothing is started or written before `command()`. */
export function postgresServer(options: ServerOptions): Server {
  const { data, port, password, durable = true } = options
  const clusterName = `sallyport-${createHash('sha256').update(data).digest('hex').slice(0, 12)}`
  const served = { data, clusterName }
  return {
    command: async () => {
      await untilServerGone(served)
      const account = await serverAccount()
      const programs = await postgresPrograms(account)
      await mkdir(dirname(data), { recursive: true, mode: 0o700 })
      await checkReach(dirname(data), account)
      await prepareCluster({ programs, account, data, password, durable })
      const settings = { ...SETTINGS, port: String(port), cluster_name: clusterName, ...(durable ? {} : NOT_DURABLE) }
      return serverCommand(join(programs.bin, 'postgres'), data, settings, account)
    },
    processes: () => serverProcesses(served),
  }
}

async function checkReach(folder: string, account: Account | undefined): Promise<void> {
  const closed = account === undefined ? undefined : await closedToOthers(folder)
  if (closed === undefined) return
  throw new Error(
    `${folder}: PostgreSQL refuses to run as root, and uid ${account?.uid} may not pass ${closed}; ` +
      `chmod o+x ${closed}, or choose another folder`,
  )
}

/** What is committed survives the end of every process, not that of the machine. */
const NOT_DURABLE = { fsync: 'off' }

function serverCommand(
  file: string,
  data: string,
  settings: Readonly<Record<string, string>>,
  account: Account | undefined,
): Command {
  const args = ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  return { file, args, env: environmentFor({}), cwd: '/', ...(account === undefined ? {} : { account }) }
}
