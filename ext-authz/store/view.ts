import type { AuditRow } from './audit-row.ts'
import type { BatchRoot } from './batch.ts'
import type { Session } from './connection.ts'
import { type AuditFilter, conditionOf, orderOf, type Viewer } from './filter.ts'
import { micros, ROW_COLUMNS, storedRow } from './stored.ts'

/** Which roots: of one node or all, from a number on. */
export interface RootFilter {
  readonly node?: string | undefined
  readonly from?: number | undefined
}

/** A root and when the store got it, epoch µs. */
export interface StoredRoot extends BatchRoot {
  readonly created_at: number
}

/**
 * The audit as one viewer sees it at one instant. Calls may overlap and streams may be read in turns; statements run
 * one after the other.
 */
export interface AuditView {
  /** At most `limit` rows, in the filter's order. */
  search(filter: AuditFilter, limit: number): Promise<readonly AuditRow[]>
  /** All rows in the filter's order, a few hundred in memory at a time. */
  stream(filter: AuditFilter): AsyncGenerator<AuditRow, void, undefined>
  count(filter: AuditFilter): Promise<number>
  /** By node, then number. Empty for viewers other than admin. */
  roots(filter?: RootFilter): AsyncGenerator<StoredRoot, void, undefined>
}

/** Rows of one FETCH. A row is a few KB. */
const PAGE_ROWS = 500
/** A root with its leaves may be 250 KB. */
const PAGE_ROOTS = 20

/** A view through a session that is in a transaction with the viewer's identity. */
export function viewOf(session: Session, viewer: Viewer): AuditView {
  let cursors = 0
  const pages = async function* <T>(query: Query, size: number, read: (found: Found) => T) {
    cursors += 1
    const name = `page_${cursors}`
    await session.query(`DECLARE ${name} NO SCROLL CURSOR FOR ${query.text}`, query.values)
    for (;;) {
      const { rows } = await session.query<Found>(`FETCH ${size} FROM ${name}`)
      for (const found of rows) yield read(found)
      if (rows.length < size) break
    }
    await session.query(`CLOSE ${name}`)
  }
  return {
    search: async (filter, limit) => {
      const { text, values } = rowsQuery(filter, viewer)
      const { rows } = await session.query<Found>(`${text} LIMIT $${values.length + 1}`, [...values, limit])
      return rows.map(storedRow)
    },
    stream: (filter) => pages(rowsQuery(filter, viewer), PAGE_ROWS, storedRow),
    count: async (filter) => {
      const { text, values } = conditionOf(filter, viewer)
      const found = await session.query<{ count: number }>(
        `SELECT count(*) AS count FROM sallyport.gateway_audit_logs AS g WHERE ${text}`,
        values,
      )
      return found.rows[0]?.count ?? 0
    },
    roots: (filter = {}) => pages(rootsQuery(filter), PAGE_ROOTS, storedRoot),
  }
}

type Found = Readonly<Record<string, unknown>>

interface Query {
  readonly text: string
  readonly values: readonly (string | number)[]
}

function rowsQuery(filter: AuditFilter, viewer: Viewer): Query {
  const { text, values } = conditionOf(filter, viewer)
  return {
    text: `SELECT ${ROW_COLUMNS} FROM sallyport.gateway_audit_logs AS g WHERE ${text} ORDER BY ${orderOf(filter)}`,
    values,
  }
}

function rootsQuery({ node, from }: RootFilter): Query {
  const values: (string | number)[] = [from ?? 1]
  if (node !== undefined) values.push(node)
  return {
    text: `SELECT kind, node, number, ${micros('made_at')} AS made_at, previous, leaves, leaf_count, root, signature, key_id,
        ${micros('created_at')} AS created_at
      FROM sallyport.audit_batch_roots WHERE number >= $1 ${node === undefined ? '' : 'AND node = $2'}
      ORDER BY node, audit_batch_roots.number`,
    values,
  }
}

const storedRoot = (found: Found): StoredRoot => found as Record<keyof StoredRoot, never>
