import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { runner } from 'node-pg-migrate'
import type { Secret } from '../../runtime/secret.ts'
import { type Session, storeError, withConnection } from './connection.ts'

const FOLDER = join(import.meta.dirname, 'migrations')
const OLDEST_POSTGRES = 16
/** The runner's advisory lock; ours, so that another tool's migrations in the same database do not wait for these. */
const LOCK = 7_361_204_551

const LIMITS = { name: 'sallyport-migrate', connectMs: 5_000, statementMs: 600_000, lockMs: 30_000 }

/**
 * Brings the database to this version of the schema, in one transaction under an advisory lock, and gives the names of
 * the migrations that ran; none on a second call. `owner` is a superuser, or may CREATE in the database and has
 * CREATEROLE and BYPASSRLS.
 * Rejects with `StoreAway` (not reachable, not allowed), and with a plain `Error` where PostgreSQL is too old or the
 * database is newer than this code.
 */
export function migrate(owner: Secret): Promise<readonly string[]> {
  return withConnection(owner, LIMITS, async (session, client) => {
    await refuseOldPostgres(session)
    await refuseNewerDatabase(session)
    const ran = await runner({
      dbClient: client,
      dir: FOLDER,
      direction: 'up',
      migrationsSchema: 'sallyport',
      createMigrationsSchema: true,
      migrationsTable: 'migrations',
      singleTransaction: true,
      advisoryLockMode: 'wait',
      lockValue: LOCK,
      log: () => undefined,
    }).catch((error: unknown) => {
      throw storeError(error, 'migrating the database')
    })
    return ran.map(({ name }) => name)
  })
}

async function refuseOldPostgres(session: Session): Promise<void> {
  const { rows } = await session.query<{ version: number }>(
    `SELECT current_setting('server_version_num')::int / 10000 AS version`,
  )
  const version = rows[0]?.version ?? 0
  if (version < OLDEST_POSTGRES)
    throw new Unsuitable(`PostgreSQL ${version} is too old: the audit needs ${OLDEST_POSTGRES} or newer`)
}

async function refuseNewerDatabase(session: Session): Promise<void> {
  const table = await session.query<{ there: boolean }>(
    `SELECT to_regclass('sallyport.migrations') IS NOT NULL AS there`,
  )
  if (table.rows[0]?.there !== true) return
  const known = new Set((await readdir(FOLDER)).map((file) => file.replace(/\.sql$/, '')))
  const { rows } = await session.query<{ name: string }>('SELECT name FROM sallyport.migrations ORDER BY id')
  const unknown = rows.map(({ name }) => name).filter((name) => !known.has(name))
  if (unknown.length > 0)
    throw new Unsuitable(
      `the database has migrations that this version does not know (${unknown.join(', ')}): update it`,
    )
}

/** The database cannot be used by this version, now or later. */
class Unsuitable extends Error {
  override readonly name = 'Unsuitable'
}
