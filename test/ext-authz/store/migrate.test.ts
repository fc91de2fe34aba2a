import { afterAll, beforeAll, expect, test } from 'vitest'
import { COLUMN_TYPES } from '../../../ext-authz/store/columns.ts'
import { StoreAway } from '../../../ext-authz/store/errors.ts'
import { ensureLogins } from '../../../ext-authz/store/logins.ts'
import { migrate } from '../../../ext-authz/store/migrate.ts'
import { scramVerifier } from '../../../ext-authz/store/scram.ts'
import { Secret } from '../../../runtime/secret.ts'
import { startPostgres } from '../../support/postgres.ts'
import { type AuditDatabase, as, asOwner, loginUrls, startAuditDatabase } from './database.ts'

let database: AuditDatabase

beforeAll(async () => {
  database = await startAuditDatabase()
})

afterAll(async () => {
  await database?.postgres.end()
})

const one = async <T>(query: string): Promise<T> => {
  const { rows } = await asOwner(database, (owner) => owner.query(query))
  return rows[0]
}

test('AU-2 the table has exactly the columns of a row, in their order and of their types', async () => {
  const { rows } = await asOwner(database, (owner) =>
    owner.query(`SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
      WHERE attrelid = 'sallyport.gateway_audit_logs'::regclass AND attnum > 0 ORDER BY attnum`),
  )
  const types = rows.map(({ name, type }) => [name, type === 'timestamp with time zone' ? 'timestamptz' : type])
  expect(types).toEqual(Object.entries(COLUMN_TYPES))
})

test('AU-4 nine indexes or more, and no default partition that would swallow what has no month', async () => {
  const { indexes } = await one<{ indexes: number }>(
    `SELECT count(*)::int AS indexes FROM pg_index WHERE indrelid = 'sallyport.gateway_audit_logs'::regclass`,
  )
  expect(indexes).toBeGreaterThanOrEqual(9)
  expect(await one(`SELECT partdefid::int FROM pg_partitioned_table`)).toEqual({ partdefid: 0 })
})

test('AU-5 four policies, forced, by their names', async () => {
  const { rows } = await asOwner(database, (owner) =>
    owner.query(`SELECT polname, polcmd, polpermissive FROM pg_policy
      WHERE polrelid = 'sallyport.gateway_audit_logs'::regclass ORDER BY polname`),
  )
  expect(rows).toEqual([
    { polname: 'admin_all_access', polcmd: 'r', polpermissive: true },
    { polname: 'customer_admin_logs', polcmd: 'r', polpermissive: true },
    { polname: 'system_insert_logs', polcmd: 'a', polpermissive: true },
    { polname: 'user_own_logs', polcmd: 'r', polpermissive: true },
  ])
  const forced = `SELECT bool_and(relrowsecurity AND relforcerowsecurity) AS forced FROM pg_class
    WHERE relname IN ('gateway_audit_logs', 'audit_batch_roots')`
  expect(await one(forced)).toEqual({ forced: true })
})

test('AU-5 logins have no rights of their own, and roles of ours no login', async () => {
  const { rows } = await asOwner(database, (owner) =>
    owner.query(`SELECT rolname, rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication AS strong, rolbypassrls
      FROM pg_roles WHERE rolname IN ('writer', 'maintainer', 'reader') OR rolname LIKE 'sallyport\\_%' AND rolname <> current_user
      ORDER BY 1`),
  )
  expect(rows.filter(({ strong }) => strong)).toEqual([])
  expect(rows.filter(({ rolbypassrls }) => rolbypassrls).map(({ rolname }) => rolname)).toEqual(['sallyport_completer'])
  expect(rows.filter(({ rolcanlogin }) => rolcanlogin).map(({ rolname }) => rolname)).toEqual([
    'maintainer',
    'reader',
    'writer',
  ])
})

test('AU-4 a second migration does nothing, also when several start at once', async () => {
  expect(await migrate(database.owner)).toEqual([])
  const fresh = await freshDatabase()
  const ran = await Promise.all([migrate(fresh), migrate(fresh), migrate(fresh)])
  expect(ran.map(({ length }) => length).toSorted()).toEqual([0, 0, 5])
})

test('AU-4 a failed migration leaves nothing', async () => {
  const fresh = await freshDatabase()
  await as(fresh, (client) => client.query('CREATE SCHEMA sallyport; CREATE TABLE sallyport.audit_batch_roots ()'))
  await expect(migrate(fresh)).rejects.toThrow(/audit_batch_roots/)
  const left = await as(fresh, (client) => client.query(`SELECT to_regclass('sallyport.gateway_audit_logs') AS there`))
  expect(left.rows).toEqual([{ there: null }])
  await as(fresh, (client) => client.query('DROP TABLE sallyport.audit_batch_roots'))
  expect(await migrate(fresh)).toHaveLength(5)
})

test('AU-4 a database that is newer than this version is refused, by the name of what it has', async () => {
  const fresh = await freshDatabase()
  await migrate(fresh)
  await as(fresh, (client) =>
    client.query(`INSERT INTO sallyport.migrations (name, run_on) VALUES ('0099_later', now())`),
  )
  await expect(migrate(fresh)).rejects.toThrow(/0099_later.*update/)
})

const freshDatabase = async () => new Secret((await startPostgres()).ownerUrl)

test('AU-4 PostgreSQL away is "later"', async () => {
  await expect(migrate(new Secret('postgres://a:b@127.0.0.1:1/c'))).rejects.toThrow(StoreAway)
})

test('AU-5 logins get new passwords, the old ones end, and no password is in a statement', async () => {
  const urls = loginUrls(database.owner.reveal())
  await ensureLogins(database.owner, urls)
  const entered = async (url: Secret) =>
    as(url, (client) => client.query('SELECT 1')).then(
      () => true,
      () => false,
    )
  for (const duty of ['writer', 'maintainer', 'reader'] as const) {
    expect(await entered(urls[duty]), duty).toBe(true)
    expect(await entered(database.urls[duty]), duty).toBe(false)
  }
  await ensureLogins(database.owner, database.urls)
  expect(await entered(database.urls.reader)).toBe(true)
})

test('AU-5 a login that was in another role of ours leaves it', async () => {
  await asOwner(database, (owner) => owner.query('GRANT sallyport_writer TO reader'))
  await ensureLogins(database.owner, database.urls)
  expect(await one(`SELECT pg_has_role('reader', 'sallyport_writer', 'MEMBER') AS member`)).toEqual({ member: false })
})

test('AU-5 a login finds the table by its bare name', async () => {
  const { rowCount } = await as(database.urls.reader, (client) => client.query('SELECT FROM gateway_audit_logs'))
  expect(rowCount).toBe(0)
})

test('AU-5 URLs that share a user, name none, or name one who could pass the policies are refused', async () => {
  const { writer, maintainer, reader } = database.urls
  const refusal = (urls: Parameters<typeof ensureLogins>[1]) => expect(ensureLogins(database.owner, urls)).rejects
  await refusal({ writer, maintainer, reader: writer }).toThrow('same user writer')
  await refusal({ writer, maintainer, reader: new Secret('postgres://h/d') }).toThrow('names no user')
  await refusal({ writer, maintainer, reader: database.owner }).toThrow('could pass row-level security')
  await refusal({ writer, maintainer, reader: new Secret('postgres://r:p%C3%A4ss@h/d') }).toThrow('printable ASCII')
  // Nothing of a refused call stays.
  await as(reader, (client) => client.query('SELECT 1'))
})

test('AU-5 the stored password is PostgreSQL’s own SCRAM verifier', async () => {
  // The password and salt of RFC 7677's example.
  const verifier = await scramVerifier('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'))
  expect(verifier).toBe(
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  )
})
