import { halfHash } from '../audit/keys.ts'
import { type DecisionHalf, lateOf, rowOf } from '../audit/projection.ts'
import type { AuditOutcome } from '../store/audit-row.ts'
import type { Batch, BatchRoot, Ended, Leaf } from '../store/batch.ts'
import type { RowKey } from '../store/errors.ts'

/**
 * What a batch writes for one request, as the exact bytes of its halves; the columns follow from them (audit/projection.ts).
 * `row`: a new row. `late`: a completion whose row may have been written without it; where the store has no such row it becomes
 * one with the outcome `otherwise`, and with the decision where one is at hand. `superseded`: a decision that no row shows; its hash is kept in the batch's root.
 */
export type Entry = RowEntry | LateEntry | SupersededEntry

export interface RowEntry extends RowKey {
  readonly kind: 'row'
  readonly outcome: AuditOutcome
  readonly decision: DecisionHalf | undefined
  readonly line: Buffer | undefined
  /** False where a row of the request may be there already, so that this one may change nothing: its decision's leaf is `superseded`. */
  readonly sure: boolean
}

export interface LateEntry extends RowKey {
  readonly kind: 'late'
  readonly decision: DecisionHalf | undefined
  readonly line: Buffer
  readonly otherwise: AuditOutcome
}

export interface SupersededEntry extends RowKey {
  readonly kind: 'superseded'
  readonly decision: DecisionHalf
}

/** Bytes of the halves. */
export const entryBytes = (entry: Entry): number => (entry.decision?.json.length ?? 0) + (lineOf(entry)?.length ?? 0)

/** The completion in an entry. */
export const lineOf = (entry: Entry): Buffer | undefined => (entry.kind === 'superseded' ? undefined : entry.line)

/** The row that a completion makes for which the store has none waiting. */
export const asRow = ({ timestamp, id, decision, line, otherwise }: LateEntry): RowEntry => ({
  kind: 'row',
  timestamp,
  id,
  outcome: otherwise,
  decision,
  line,
  sure: false,
})

/** What the root of a batch vouches for. */
export function leavesOf(entries: readonly Entry[]): Leaf[] {
  const leaves: Leaf[] = []
  for (const entry of entries) {
    const { timestamp, id } = entry
    if (entry.decision !== undefined) {
      const kind = entry.kind === 'row' && entry.sure ? 'decision' : 'superseded'
      leaves.push({ kind, timestamp, id, hash: halfHash(entry.decision.json) })
    }
    const line = lineOf(entry)
    if (line !== undefined) leaves.push({ kind: 'completion', timestamp, id, hash: halfHash(line) })
  }
  return leaves
}

/** What the store writes for entries. Throws HalfError for halves that cannot be read, which `Join` lets none of through. */
export function batchOf(node: string, entries: readonly Entry[], ended: readonly Ended[], root: BatchRoot): Batch {
  return {
    rows: entries
      .filter((entry) => entry.kind === 'row')
      .map(({ decision, line, outcome }) => rowOf(node, decision, line, outcome)),
    late: entries.filter((entry) => entry.kind === 'late').map(({ line }) => lateOf(node, line)),
    ended,
    root,
  }
}
