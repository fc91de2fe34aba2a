import { Client } from 'pg'
import { AUDIT_OUTCOMES, type AuditOutcome } from '../../ext-authz/store/audit-row.ts'
import type { SeenRow } from './compare.ts'

/** A query that takes longer has failed, ms. */
const PATIENCE_MS = 60_000

/** Columns that the proof reads, by itself and not through the code that it is to prove. */
const ROWS = `
  SELECT request_id, correlation_id, event_id, status_code, outcome,
         convert_from(completion_bytes, 'UTF8')::jsonb ->> 'peer_address' AS peer
  FROM gateway_audit_logs`

/** All rows, as an auditor of the operator sees them. */
export function readRows(readerUrl: string): Promise<SeenRow[]> {
  return asAdmin(readerUrl, async (client) => {
    const { rows } = await client.query<Record<string, unknown>>(ROWS)
    return rows.map(seen)
  })
}

/** How many rows there are, and how many of them are still `open`. */
export function countRows(readerUrl: string): Promise<{ readonly all: number; readonly open: number }> {
  return asAdmin(readerUrl, async (client) => {
    const { rows } = await client.query<{ all: number; open: number }>(
      `SELECT count(*)::int AS "all", count(*) FILTER (WHERE outcome = 'open')::int AS open FROM gateway_audit_logs`,
    )
    return rows[0] ?? { all: 0, open: 0 }
  })
}

/** All rows as text, every column, for whoever looks for what may not be there; bytes as text where they are text. */
export function dumpRows(readerUrl: string): Promise<string> {
  return asAdmin(readerUrl, async (client) => {
    const { rows } = await client.query<{ row: string }>(`
      SELECT to_jsonb(log)::text
             || coalesce(convert_from(decision_bytes, 'UTF8'), '')
             || coalesce(convert_from(completion_bytes, 'UTF8'), '') AS row
      FROM gateway_audit_logs AS log`)
    return rows.map(({ row }) => row).join('\n')
  })
}

async function asAdmin<T>(readerUrl: string, ask: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: readerUrl,
    connectionTimeoutMillis: PATIENCE_MS,
    query_timeout: PATIENCE_MS,
  })
  // A connection that breaks fails its query, and that says enough.
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query('BEGIN TRANSACTION READ ONLY')
    await client.query("SELECT set_config('app.role', 'admin', true)")
    return await ask(client)
  } finally {
    await client.end()
  }
}

function seen(row: Record<string, unknown>): SeenRow {
  return {
    requestId: text(row['request_id']),
    correlationId: text(row['correlation_id']),
    peer: text(row['peer']),
    event: text(row['event_id']),
    status: typeof row['status_code'] === 'number' ? row['status_code'] : undefined,
    outcome: outcomeOf(row['outcome']),
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function outcomeOf(value: unknown): AuditOutcome {
  const outcome = AUDIT_OUTCOMES.find((known) => known === value)
  if (outcome === undefined) throw new Error(`a row has the outcome ${JSON.stringify(value)}, which is none`)
  return outcome
}
