import { Client } from 'pg'
import type { Secret } from '../../secret.ts'
import type { Part } from '../part.ts'
import type { PortUse } from '../ports.ts'
import type { Server } from '../postgres/server.ts'

const CONNECT_WITHIN_MS = 1_000

/** What the embedded PostgreSQL is started with. */
export interface PostgresOptions {
  readonly at: PortUse
  readonly server: Server
  /** URL of the database's owner. */
  readonly owner: Secret
  /** Its data folder, where that is not the usual one and a person should know. */
  readonly elsewhere?: string
}

/** The embedded PostgreSQL; ready when it answers a query. A kill -9 of it leaves back ends, which end before it starts again. */
export function postgresPart({ at, server, owner, elsewhere }: PostgresOptions): Part {
  const shown = `${at.address}:${at.port}${elsewhere === undefined ? '' : ` (data in ${elsewhere})`}`
  return {
    name: 'postgres',
    needs: [],
    ports: [at],
    command: () => server.command(),
    probe: async () => ((await answers(owner)) ? shown : undefined),
    // Fast shutdown: SIGTERM would wait until every client has gone by itself.
    stopSignal: 'SIGINT',
    strays: () => server.processes(),
    show: (line) =>
      / (PANIC|FATAL): {2}(?!the database system is|terminating connection|password authentication)/.test(line)
        ? line
        : undefined,
  }
}

async function answers(url: Secret): Promise<boolean> {
  const client = new Client({
    connectionString: url.reveal(),
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    query_timeout: CONNECT_WITHIN_MS,
  })
  // It may end between two steps; the step that fails says so.
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}
