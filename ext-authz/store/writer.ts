import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Client } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { Secret } from '../../runtime/secret.ts'
import type { AuditRow } from './audit-row.ts'
import type { Batch, BatchRoot, LateCompletion } from './batch.ts'
import { encodeRows } from './binary-copy.ts'
import { COLUMN_TYPES, COLUMNS } from './columns.ts'
import { type Connection, connect, storeError } from './connection.ts'
import { PartitionMissing, RootTaken, StoreAway } from './errors.ts'
import { isoMicros, monthOf } from './time.ts'

export interface WriterOptions {
  /** Ms until a connection counts as failed. Default 5,000. */
  readonly connectMs?: number
  /** Ms that a whole batch may take; then its connection is cut and the batch counts as not written. Default 30,000. */
  readonly writeMs?: number
  /** Ms that a statement waits for a lock. Default 5,000. */
  readonly lockMs?: number
}

/** How many rows a write inserted, completed and ended; 0 of what an earlier write had done. */
export interface Written {
  readonly rows: number
  readonly completed: number
  readonly ended: number
}

/**
 * Writes batches over one connection, which it opens when needed and opens again after a failure. One call at a time.
 */
export interface AuditWriter {
  /**
   * Writes the batch in one transaction, all or nothing; safe to repeat as often as wanted (AU-1).
   * Rejects with `StoreAway`, `RowRefused`, `PartitionMissing` or `RootTaken` (errors.ts).
   */
  write(batch: Batch): Promise<Written>
  /**
   * Number and root of a node's newest batch that the store has: where a recorder that lost its folder goes on. Rejects
   * with `StoreAway`.
   */
  lastRoot(node: string): Promise<{ readonly number: number; readonly root: Buffer } | undefined>
  /** Cuts the connection; a call under way is rejected with `StoreAway`. */
  close(): void
}

/** Makes a writer for a login of role `sallyport_writer`; connects at the first call. */
export function openWriter(url: Secret, options: WriterOptions = {}): AuditWriter {
  const { connectMs = 5_000, writeMs = 30_000, lockMs = 5_000 } = options
  const limits = { name: 'sallyport-recorder', connectMs, statementMs: writeMs, lockMs }
  let open: Connection | undefined
  let closed = false

  const call = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
    if (closed) throw new StoreAway('the writer is closed', undefined)
    if (!open?.alive()) open = await connect(url, limits)
    const { client, cut } = open
    // A close() that came while this was connecting.
    if (closed) cut()
    // The server's own limits do not help where it was stopped or the network is gone.
    const deadline = setTimeout(cut, writeMs)
    try {
      return await work(client)
    } finally {
      clearTimeout(deadline)
    }
  }
  return {
    write: (batch) => call((client) => transaction(client, batch)),
    lastRoot: (node) => call((client) => lastRoot(client, node)),
    close: () => {
      closed = true
      open?.cut()
    },
  }
}

/**
 * COPY cannot write to a table with row-level security; and only `INSERT … ON CONFLICT` skips what is there
 * (facts/threats.md §0).
 * The temporary table lives as long as the connection, which finds it there the next time.
 */
const BEGIN = `BEGIN;
  CREATE TEMPORARY TABLE IF NOT EXISTS incoming (${COLUMNS.map((name) => `"${name}" ${COLUMN_TYPES[name]}`).join(', ')})
    ON COMMIT DELETE ROWS`

const NAMES = COLUMNS.map((name) => `"${name}"`).join(', ')
const COPY = `COPY pg_temp.incoming (${NAMES}) FROM STDIN (FORMAT binary)`
// Without a conflict target: naming one takes the right to read the table.
const INSERT = `INSERT INTO sallyport.gateway_audit_logs (${NAMES}) SELECT ${NAMES} FROM pg_temp.incoming ON CONFLICT DO NOTHING`

async function transaction(client: Client, batch: Batch): Promise<Written> {
  try {
    await client.query(BEGIN)
    const rows = await insertRows(client, batch.rows)
    const completed = await complete(client, batch.late)
    let ended = 0
    for (const { node, before } of batch.ended) {
      ended += await callCount(client, 'sallyport.end_gateway_audit_logs($1, $2)', [node, isoMicros(before)])
    }
    await insertRoot(client, batch.root)
    await client.query('COMMIT')
    return { rows, completed, ended }
  } catch (error) {
    const known = batchError(error, batch)
    // The cause is told; a connection that cannot even roll back has ended and is opened anew by the next call.
    await client.query('ROLLBACK').catch(() => undefined)
    throw known
  }
}

async function insertRows(client: Client, rows: readonly AuditRow[]): Promise<number> {
  if (rows.length === 0) return 0
  await pipeline(Readable.from(encodeRows(rows)), client.query(copyFrom(COPY)))
  const { rowCount } = await client.query({ name: 'insert', text: INSERT })
  return rowCount ?? 0
}

async function complete(client: Client, late: readonly LateCompletion[]): Promise<number> {
  if (late.length === 0) return 0
  return callCount(client, 'sallyport.complete_gateway_audit_logs($1)', [JSON.stringify(late.map(lateJson))])
}

/** As `complete_gateway_audit_logs` reads it: bytes in PostgreSQL's hex form. */
const lateJson = (late: LateCompletion) => ({
  ...late,
  timestamp: isoMicros(late.timestamp),
  completion_bytes: late.completion_bytes && hexBytes(late.completion_bytes),
  completion_hash: late.completion_hash && hexBytes(late.completion_hash),
})

const hexBytes = (bytes: Buffer): string => `\\x${bytes.toString('hex')}`

async function callCount(client: Client, call: string, values: readonly unknown[]): Promise<number> {
  const { rows } = await client.query<{ count: string }>(`SELECT ${call} AS count`, [...values])
  return Number(rows[0]?.count)
}

async function insertRoot(client: Client, root: BatchRoot): Promise<void> {
  const { rowCount } = await client.query(
    `INSERT INTO sallyport.audit_batch_roots
       (kind, node, number, made_at, previous, leaves, leaf_count, root, signature, key_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
    [
      root.kind,
      root.node,
      root.number,
      isoMicros(root.made_at),
      root.previous,
      root.leaves,
      root.leaf_count,
      root.root,
      root.signature,
      root.key_id,
    ],
  )
  if (rowCount === 1) return
  const { rows } = await client.query<{ root: Buffer }>('SELECT sallyport.audit_batch_root($1, $2) AS root', [
    root.node,
    root.number,
  ])
  if (rows[0]?.root?.equals(root.root) === true) return
  const advice = 'give each gateway a SALLYPORT_NODE of its own, or put back the recorder folder that was lost'
  throw new RootTaken(`batch ${root.number} of node ${root.node} has another root in the database: ${advice}`)
}

async function lastRoot(client: Client, node: string) {
  try {
    const { rows } = await client.query<{ number: string | null; root: Buffer }>(
      'SELECT number, root FROM sallyport.last_audit_batch_root($1)',
      [node],
    )
    const last = rows[0]
    if (last === undefined || last.number === null) return undefined
    return { number: Number(last.number), root: last.root }
  } catch (error) {
    throw storeError(error, 'reading the newest root')
  }
}

const CHECK_VIOLATION = '23514'

/** A row without partition breaks the check of no constraint in particular. */
function batchError(error: unknown, batch: Batch): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const constraint = error instanceof Error && 'constraint' in error ? error.constraint : undefined
  if (code === CHECK_VIOLATION && constraint === undefined)
    return new PartitionMissing([...new Set(batch.rows.map((row) => monthOf(row.timestamp)))].toSorted())
  return storeError(error, 'writing a batch')
}
