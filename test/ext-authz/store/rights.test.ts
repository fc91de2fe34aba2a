import { afterAll, beforeAll, expect, test } from 'vitest'
import { openMaintainer } from '../../../ext-authz/store/maintainer.ts'
import { openWriter } from '../../../ext-authz/store/writer.ts'
import { type AuditDatabase, as, asOwner, startAuditDatabase } from './database.ts'
import { batchOf, fullRow, NOON } from './rows.ts'

const PARTITION = 'sallyport.gateway_audit_logs_2026_11'
const NOT_ALLOWED = '42501'

let database: AuditDatabase

beforeAll(async () => {
  database = await startAuditDatabase()
  await openMaintainer(database.urls.maintainer).ensure(NOON)
  const writer = openWriter(database.urls.writer)
  await writer.write(batchOf({ rows: [fullRow()] }))
  writer.close()
})

afterAll(async () => {
  await database?.postgres.end()
})

/** SQLSTATE of the refusal. */
const refusedAs = (url: 'writer' | 'reader' | 'maintainer', statement: string) =>
  as(database.urls[url], (client) => client.query(statement).catch(({ code }: { code: string }) => code))

test('AU-5 the reader can read and nothing else', async () => {
  for (const statement of [
    `INSERT INTO gateway_audit_logs (timestamp, id, node, outcome) VALUES (now(), gen_random_uuid(), 'x', 'open')`,
    `UPDATE gateway_audit_logs SET outcome = 'open'`,
    'DELETE FROM gateway_audit_logs',
    'TRUNCATE gateway_audit_logs',
    `SELECT complete_gateway_audit_logs('[]')`,
    `SELECT make_gateway_audit_month('2026-01-01')`,
    `INSERT INTO audit_batch_roots (node) VALUES ('x')`,
    'SELECT * FROM migrations',
    'CREATE TABLE sallyport.mine ()',
    'SET ROLE sallyport_keeper',
    'SET ROLE sallyport_completer',
  ])
    expect(await refusedAs('reader', statement), statement).toBe(NOT_ALLOWED)
})

test('AU-5 the writer cannot read, change or remove what it wrote', async () => {
  for (const statement of [
    'SELECT * FROM gateway_audit_logs',
    'SELECT count(*) FROM gateway_audit_logs',
    'SELECT * FROM audit_batch_roots',
    `UPDATE gateway_audit_logs SET outcome = 'open'`,
    `UPDATE audit_batch_roots SET node = 'x'`,
    'DELETE FROM gateway_audit_logs',
    'DELETE FROM audit_batch_roots',
    'TRUNCATE gateway_audit_logs',
    'TRUNCATE audit_batch_roots',
    'DROP TABLE gateway_audit_logs',
    `INSERT INTO gateway_audit_logs (timestamp, id, node, outcome) VALUES (now(), gen_random_uuid(), 'x', 'open') RETURNING id`,
    `INSERT INTO gateway_audit_logs (timestamp, id, node, outcome) VALUES (now(), gen_random_uuid(), 'x', 'open')
      ON CONFLICT (timestamp, id) DO UPDATE SET outcome = 'completed'`,
    `SELECT make_gateway_audit_month('2026-01-01')`,
    `SELECT detach_gateway_audit_month('2026-01-01')`,
    `SELECT drop_gateway_audit_month('2026-01-01', '')`,
    'SET ROLE sallyport_keeper',
    'SET ROLE sallyport_completer',
  ])
    expect(await refusedAs('writer', statement), statement).toBe(NOT_ALLOWED)
})

test('AU-5 the maintainer can make and retire months, and cannot read, write or complete', async () => {
  for (const statement of [
    'SELECT * FROM gateway_audit_logs',
    `INSERT INTO gateway_audit_logs (timestamp, id, node, outcome) VALUES (now(), gen_random_uuid(), 'x', 'open')`,
    'DELETE FROM gateway_audit_logs',
    `DROP TABLE ${PARTITION}`,
    `ALTER TABLE ${PARTITION} DISABLE ROW LEVEL SECURITY`,
    `SELECT complete_gateway_audit_logs('[]')`,
    `INSERT INTO audit_batch_roots (node) VALUES ('x')`,
    'SET ROLE sallyport_keeper',
  ])
    expect(await refusedAs('maintainer', statement), statement).toBe(NOT_ALLOWED)
})

test('AU-5 not even who owns the tables changes a row, directly or in its partition, nor a root', async () => {
  for (const table of ['sallyport.gateway_audit_logs', PARTITION, 'sallyport.audit_batch_roots']) {
    for (const statement of [`UPDATE ${table} SET node = 'x'`, `DELETE FROM ${table}`, `TRUNCATE ${table}`]) {
      const code = await asOwner(database, async (owner) => {
        // The owner without forced policies: as much as anybody but a superuser can be.
        await owner.query(`BEGIN; SET LOCAL ROLE sallyport_keeper; ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`)
        const refused = await owner.query(statement).catch(({ code }: { code: string }) => code)
        await owner.query('ROLLBACK')
        return refused
      })
      expect(code, statement).toBe(NOT_ALLOWED)
    }
  }
})

test('AU-5 nobody else may come in: PUBLIC has neither schema nor functions', async () => {
  const { rows } = await asOwner(database, (owner) =>
    owner.query(`SELECT has_schema_privilege('pg_monitor', 'sallyport', 'USAGE') AS schema,
        bool_or(has_function_privilege('pg_monitor', oid, 'EXECUTE')) AS functions
      FROM pg_proc WHERE pronamespace = 'sallyport'::regnamespace AND prosecdef`),
  )
  expect(rows).toEqual([{ schema: false, functions: false }])
})

test('AU-5 functions with others’ rights have a fixed search path', async () => {
  const { rows } = await asOwner(database, (owner) =>
    owner.query<{ proname: string; path: string }>(`SELECT proname, array_to_string(proconfig, ' ') AS path FROM pg_proc
      WHERE pronamespace = 'sallyport'::regnamespace AND prosecdef`),
  )
  expect(rows.length).toBeGreaterThan(6)
  for (const { proname, path } of rows) expect(path, proname).toContain('search_path=pg_catalog, pg_temp')
})
