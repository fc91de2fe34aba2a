import { Socket } from 'node:net'
import { Client, type ClientBase, DatabaseError, type QueryResult, type QueryResultRow } from 'pg'
import type { Secret } from '../../runtime/secret.ts'
import { NO_SUCH_ROW, NOT_OPEN, RootTaken, type RowKey, RowRefused, StoreAway } from './errors.ts'

/** How much longer than a statement may run its answer may be on its way, ms. */
const ANSWER_MS = 5_000
/** How long a server may take to take leave, ms. */
const LEAVE_MS = 1_000

export interface ConnectionOptions {
  /** Shown in `pg_stat_activity`. */
  readonly name: string
  readonly connectMs: number
  /** Longest that one statement may run, ms. */
  readonly statementMs: number
  /** Longest that one statement may wait for a lock, ms. */
  readonly lockMs: number
}

/** A client whose socket can be cut at once, whatever it waits for. */
export interface Connection {
  readonly client: Client
  readonly alive: () => boolean
  cut(): void
}

/** Connects once. Rejects with {@link StoreAway}. */
export async function connect(url: Secret, options: ConnectionOptions): Promise<Connection> {
  const socket = new Socket()
  const client = new Client({ ...settingsOf(url, options), stream: () => socket })
  let alive = true
  // Statements under way are rejected besides; between statements this is the only sign.
  client.on('error', () => {
    alive = false
  })
  client.on('end', () => {
    alive = false
  })
  try {
    await client.connect()
  } catch (error) {
    socket.destroy()
    throw storeError(error, 'connecting to PostgreSQL')
  }
  return { client, alive: () => alive, cut: () => socket.destroy() }
}

/**
 * What every client of the store is made with. Throws where the URL is not one, without repeating it: it holds a
 * password.
 */
export function settingsOf(url: Secret, options: ConnectionOptions) {
  const text = url.reveal()
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text))
    throw new Error(`${options.name}: the database URL must look like postgres://user:password@host:port/database`)
  return {
    connectionString: text,
    application_name: options.name,
    connectionTimeoutMillis: options.connectMs,
    statement_timeout: options.statementMs,
    // A server that was stopped keeps no time.
    query_timeout: options.statementMs + ANSWER_MS,
    lock_timeout: options.lockMs,
    // A client that was stopped in the middle of a transaction may not hold its locks for ever.
    idle_in_transaction_session_timeout: 600_000,
    keepAlive: true,
  }
}

/** A connection whose statements reject with errors of the store. */
export interface Session {
  query<R extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>>
}

/** `doing` tells in an error what was under way. */
export const sessionOf = (client: ClientBase, doing: string): Session => ({
  query: async <R extends QueryResultRow>(text: string, values: readonly unknown[] = []) => {
    try {
      return await client.query<R>(text, [...values])
    } catch (error) {
      throw storeError(error, doing)
    }
  },
})

/** Runs `work` on a connection of its own, which is closed afterwards. */
export async function withConnection<T>(
  url: Secret,
  options: ConnectionOptions,
  work: (session: Session, client: Client) => Promise<T>,
): Promise<T> {
  const connection = await connect(url, options)
  try {
    return await work(sessionOf(connection.client, options.name), connection.client)
  } finally {
    await close(connection)
  }
}

async function close({ client, cut }: Connection): Promise<void> {
  const late = setTimeout(cut, LEAVE_MS)
  await client.end()
  clearTimeout(late)
}

/**
 * Data that no repetition makes right: bad values (22), broken constraints (23), too large for an index (54), and our
 * own.
 */
const REFUSED = /^(22|23|54|SP)/

/**
 * What PostgreSQL or the connection to it said, as an error of the store; whatever is neither is given back as it is,
 * to be seen.
 * Only the SQLSTATE and the primary message are taken over: details hold whole rows.
 */
export function storeError(error: unknown, doing: string): unknown {
  if (error instanceof DatabaseError) {
    const state = error.code ?? 'XX000'
    const said = `${doing}: ${error.message} (${state})`
    return REFUSED.test(state) ? new RowRefused(said, state, rowsOf(error)) : new StoreAway(said, state)
  }
  if (!(error instanceof Error) || TOLD.some((kind) => error instanceof kind)) return error
  // Several addresses that all refused are one AggregateError, without a message of its own.
  const { message } = error instanceof AggregateError ? error.errors[0] : error
  return new StoreAway(`${doing}: ${message}`, undefined)
}

/** Errors of the store itself, and faults of our own, which waiting does not mend. */
const TOLD = [StoreAway, RowRefused, RootTaken, TypeError, RangeError, ReferenceError]

function rowsOf(error: DatabaseError): readonly RowKey[] {
  const named = error.code === NO_SUCH_ROW || error.code === NOT_OPEN
  return named && error.detail !== undefined ? JSON.parse(error.detail) : []
}
