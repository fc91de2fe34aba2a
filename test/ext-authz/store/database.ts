import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { ensureLogins, type LoginUrls } from '../../../ext-authz/store/logins.ts'
import { openMaintainer } from '../../../ext-authz/store/maintainer.ts'
import { migrate } from '../../../ext-authz/store/migrate.ts'
import { type AuditReader, openReader } from '../../../ext-authz/store/reader.ts'
import { type AuditWriter, openWriter } from '../../../ext-authz/store/writer.ts'
import { Secret } from '../../../runtime/secret.ts'
import { startPostgres, type TestPostgres } from '../../support/postgres.ts'
import { NOON } from './rows.ts'

/** A PostgreSQL with the audit's tables and its three logins. */
export interface AuditDatabase {
  readonly postgres: TestPostgres
  readonly owner: Secret
  readonly urls: LoginUrls
}

/** Starts one; end it with `postgres.end()`. */
export async function startAuditDatabase(): Promise<AuditDatabase> {
  const postgres = await startPostgres()
  const owner = new Secret(postgres.ownerUrl)
  const urls = loginUrls(postgres.ownerUrl)
  await migrate(owner)
  await ensureLogins(owner, urls)
  return { postgres, owner, urls }
}

/** A database with the months around {@link NOON}, and who writes and reads it. */
export interface AuditStore {
  readonly database: AuditDatabase
  readonly writer: AuditWriter
  readonly reader: AuditReader
  end(): Promise<void>
}

/** Starts one; `connections` of the reader. */
export async function startAuditStore(connections = 4): Promise<AuditStore> {
  const database = await startAuditDatabase()
  await openMaintainer(database.urls.maintainer).ensure(NOON)
  const writer = openWriter(database.urls.writer)
  const reader = openReader(database.urls.reader, { connections })
  return {
    database,
    writer,
    reader,
    end: async () => {
      writer.close()
      await reader.close()
      await database.postgres.end()
    },
  }
}

/** URLs of three logins on the server of `ownerUrl`, with fresh passwords. */
export function loginUrls(ownerUrl: string): LoginUrls {
  const login = (user: string) => {
    const url = new URL(ownerUrl)
    url.username = user
    url.password = randomBytes(18).toString('base64url')
    return new Secret(url.href)
  }
  return { writer: login('writer'), maintainer: login('maintainer'), reader: login('reader') }
}

/** Runs `work` as the one who owns the database: may become the tables' owner and so do what nobody else can. */
export const asOwner = <T>({ owner }: AuditDatabase, work: (client: Client) => Promise<T>): Promise<T> =>
  as(owner, work)

/** Runs `work` on a connection of one of the logins. */
export async function as<T>(url: Secret, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url.reveal() })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Everything that a stream gives. */
export async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}
