import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { ensureLogins, type LoginUrls } from '../../../ext-authz/store/logins.ts'
import { migrate } from '../../../ext-authz/store/migrate.ts'
import { Secret } from '../../../runtime/secret.ts'
import { startPostgres, type TestPostgres } from '../../support/postgres.ts'

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
