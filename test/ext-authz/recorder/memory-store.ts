import type { AuditRow } from '../../../ext-authz/store/audit-row.ts'
import type { Batch, BatchRoot, LateCompletion } from '../../../ext-authz/store/batch.ts'
import { NO_SUCH_ROW, NOT_OPEN, RootTaken, RowRefused, StoreAway } from '../../../ext-authz/store/errors.ts'
import type { AuditMaintainer } from '../../../ext-authz/store/maintainer.ts'
import type { AuditWriter, Written } from '../../../ext-authz/store/writer.ts'

/** What the next write meets. `…-before`: nothing is written; `…-after`: all of it is, and nobody is told. */
export type Fate = 'well' | 'away-before' | 'away-after' | 'dies-before' | 'dies-after'

/** The recorder's process ends here. */
export class Killed extends Error {}

/** The store as its contract has it (store/writer.ts), in memory: the second one beside PostgreSQL, for thousands of interleavings. */
export class MemoryStore implements AuditWriter {
  readonly rows = new Map<string, AuditRow>()
  readonly roots = new Map<number, BatchRoot>()
  /** Decides what becomes of each write. */
  fate: () => Fate = () => 'well'
  /** Rows that are refused, with no word about which of a batch. */
  poison: (half: Pick<AuditRow, 'response_headers'>) => boolean = () => false
  writes = 0

  async write(batch: Batch): Promise<Written> {
    this.writes += 1
    const fate = this.fate()
    if (fate === 'away-before') throw new StoreAway('no answer', undefined)
    if (fate === 'dies-before') throw new Killed()
    const written = this.#commit(batch)
    if (fate === 'away-after') throw new StoreAway('no answer', undefined)
    if (fate === 'dies-after') throw new Killed()
    return written
  }

  async lastRoot(node: string): Promise<{ number: number; root: Buffer } | undefined> {
    const last = [...this.roots.values()].filter((root) => root.node === node).at(-1)
    return last && { number: last.number, root: last.root }
  }

  close(): void {
    // Nothing is open.
  }

  #commit({ rows, late, ended, root }: Batch): Written {
    const known = this.roots.get(root.number)
    if (known !== undefined && !known.root.equals(root.root)) throw new RootTaken('another root has this number')
    if ([...rows, ...late].some(this.poison)) throw new RowRefused('untranslatable character', '22P05')
    const after = new Map(this.rows)
    for (const row of rows) if (!after.has(keyOf(row))) after.set(keyOf(row), row)
    const inserted = after.size - this.rows.size
    const completed = complete(after, late)
    let closed = 0
    for (const [key, row] of after) {
      if (!ended.some(({ before }) => row.outcome === 'open' && row.timestamp < before)) continue
      after.set(key, { ...row, outcome: 'unknown' })
      closed += 1
    }
    for (const [key, row] of after) this.rows.set(key, row)
    this.roots.set(root.number, root)
    return { rows: inserted, completed, ended: closed }
  }
}

/** A maintainer that has nothing to do. */
export const NO_MAINTAINER: AuditMaintainer = {
  ensure: async () => 3,
  retire: async () => [],
}

const keyOf = ({ timestamp, id }: { timestamp: number; id: string }) => `${timestamp} ${id}`

/** Columns that are empty are filled; the status is the completion's. */
function complete(rows: Map<string, AuditRow>, late: readonly LateCompletion[]): number {
  const missing = late.filter((one) => !rows.has(keyOf(one)))
  if (missing.length > 0) throw new RowRefused('completions have no row', NO_SUCH_ROW, missing.map(rowKey))
  let completed = 0
  for (const one of late) {
    const row = rows.get(keyOf(one))
    if (row?.completion_hash?.equals(one.completion_hash ?? Buffer.alloc(0))) continue
    const waits = row?.completion_hash === undefined && (row?.outcome === 'open' || row?.outcome === 'unknown')
    if (!waits) throw new RowRefused('a row is completed otherwise', NOT_OPEN, [rowKey(one)])
    rows.set(keyOf(one), {
      ...row,
      ...filled(row, one),
      status_code: one.status_code ?? row.status_code,
      outcome: 'completed',
    })
    completed += 1
  }
  return completed
}

function filled(row: AuditRow, late: LateCompletion): Partial<AuditRow> {
  const empty = (name: string) => row[name as keyof AuditRow] === undefined
  return Object.fromEntries(Object.entries(late).filter(([name]) => empty(name)))
}

const rowKey = ({ timestamp, id }: LateCompletion) => ({ timestamp, id })
