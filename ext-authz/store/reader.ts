import { Pool, type PoolClient } from 'pg'
import type { Secret } from '../../runtime/secret.ts'
import type { AuditRow } from './audit-row.ts'
import { type Session, sessionOf, settingsOf, storeError } from './connection.ts'
import type { AuditFilter, Viewer } from './filter.ts'
import { STORED_TYPES } from './stored.ts'
import { type AuditView, type RootFilter, type StoredRoot, viewOf } from './view.ts'

/**
 * Reads the audit on behalf of a viewer (AU-5). Rows come back as they were written. All calls reject with `StoreAway`; with
 * `RowRefused` where the filter's `after` holds no UUID. An error that `use` throws stays as it is.
 */
export interface AuditReader {
  /** At most `limit` rows, in the filter's order. */
  search(filter: AuditFilter, as: Viewer, limit: number): Promise<readonly AuditRow[]>
  /** All rows in the filter's order from one snapshot, a few hundred in memory at a time. */
  stream(filter: AuditFilter, as: Viewer): AsyncGenerator<AuditRow, void, undefined>
  count(filter: AuditFilter, as: Viewer): Promise<number>
  /** By node, then number, from one snapshot. */
  roots(filter?: RootFilter): AsyncGenerator<StoredRoot, void, undefined>
  /** Holds one snapshot (REPEATABLE READ, READ ONLY) while `use` runs: rows and roots of the same instant. */
  snapshot<T>(as: Viewer, use: (view: AuditView) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export interface ReaderOptions {
  /** Connections at most. Default 4. */
  readonly connections?: number
  /** Ms until a connection counts as failed. Default 5,000. */
  readonly connectMs?: number
  /** Ms that one statement may take; of a stream, that is one page. Default 60,000. */
  readonly statementMs?: number
}

/** Makes a reader for a login of role `sallyport_reader`; connects when first asked. */
export function openReader(url: Secret, options: ReaderOptions = {}): AuditReader {
  const { connections = 4, connectMs = 5_000, statementMs = 60_000 } = options
  const limits = { name: 'sallyport-reader', connectMs, statementMs, lockMs: statementMs }
  const pool = new Pool({ ...settingsOf(url, limits), max: connections, types: STORED_TYPES })
  // An idle connection that breaks is replaced by the next call; without a listener it would end the process.
  pool.on('error', () => undefined)

  const snapshot = async <T>(as: Viewer, use: (view: AuditView) => Promise<T>): Promise<T> => {
    const reading = await begin(pool, as)
    try {
      const result = await use(viewOf(reading.session, as))
      await reading.end()
      return result
    } finally {
      reading.discard()
    }
  }
  const streamed = async function* <T>(as: Viewer, open: (view: AuditView) => AsyncGenerator<T, void, undefined>) {
    const reading = await begin(pool, as)
    try {
      yield* open(viewOf(reading.session, as))
      await reading.end()
    } finally {
      reading.discard()
    }
  }
  return {
    search: (filter, as, limit) => snapshot(as, (view) => view.search(filter, limit)),
    count: (filter, as) => snapshot(as, (view) => view.count(filter)),
    stream: (filter, as) => streamed(as, (view) => view.stream(filter)),
    roots: (filter) => streamed({ role: 'admin' }, (view) => view.roots(filter)),
    snapshot,
    close: () => pool.end(),
  }
}

interface Reading {
  readonly session: Session
  /** Ends the transaction and gives the connection back. */
  end(): Promise<void>
  /** Closes the connection, transaction and all; does nothing after `end`. */
  discard(): void
}

/** The viewer's identity is SET LOCAL: it ends with the transaction, however that ends (facts/threats.md §5). */
const IDENTITY = `SELECT set_config('app.role', $1, true), set_config('app.user_id', $2, true),
  set_config('app.customer_id', $3, true)`

async function begin(pool: Pool, as: Viewer): Promise<Reading> {
  const client = await pool.connect().catch((error: unknown) => {
    throw storeError(error, 'connecting to PostgreSQL')
  })
  const { session, release } = borrowed(client)
  try {
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const user = as.role === 'user' ? as.userId : ''
    const customer = as.role === 'customer_admin' ? as.customerId : ''
    await session.query(IDENTITY, [as.role, user, customer])
  } catch (error) {
    release(true)
    throw error
  }
  return {
    session,
    end: async () => {
      await session.query('COMMIT')
      release(false)
    },
    discard: () => release(true),
  }
}

/** A client of the pool until its release, which closes the connection where it may be in any state. */
function borrowed(client: PoolClient) {
  // What breaks between two statements is told by the next one.
  const ignore = () => undefined
  client.on('error', ignore)
  let released = false
  const release = (close: boolean) => {
    if (released) return
    released = true
    client.off('error', ignore)
    client.release(close)
  }
  return { session: sessionOf(client, 'reading the audit'), release }
}
