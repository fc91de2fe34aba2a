import { Client } from 'pg'
import { expect, test } from 'vitest'
import { startPostgres } from '../support/postgres.ts'
import { startCommitCut } from './commit-cut.ts'

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

test('the connection breaks after PostgreSQL has committed and before the client hears of it; later ones pass', async () => {
  const postgres = await startPostgres()
  const proxy = await startCommitCut(postgres.port)
  const url = postgres.ownerUrl.replace(`:${postgres.port}/`, `:${proxy.port}/`)
  const first = await connected(url)
  await first.query('CREATE TABLE kept (n int)')
  const cut = proxy.cutNext()
  await first.query('BEGIN; INSERT INTO kept VALUES (1)')
  await expect(first.query('COMMIT')).rejects.toThrow(/terminated|ECONNRESET/)
  await cut
  const second = await connected(url)
  await second.query('BEGIN; INSERT INTO kept VALUES (2); COMMIT')
  const { rows } = await second.query('SELECT n FROM kept ORDER BY n')
  expect(rows).toEqual([{ n: 1 }, { n: 2 }])
  await second.end()
  await proxy.close()
})
