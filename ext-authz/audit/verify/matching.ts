import type { AuditRow } from '../../store/audit-row.ts'
import type { BatchRoot, Leaf } from '../../store/batch.ts'
import type { RowKey } from '../../store/errors.ts'
import { monthOf } from '../../store/time.ts'
import type { AuditView } from '../../store/view.ts'
import { readLeaves } from '../roots.ts'
import { columnFaults } from './columns.ts'
import { type AuditFault, rowFault } from './fault.ts'
import { parkedKey } from './recorder.ts'
import { Allowed, type Half, Waiting } from './waiting.ts'

/** Halves and leaves of a node that may wait for their other side, unless told otherwise: some 100 MB. */
const MOST_WAITING = 500_000

/** What of a node is compared. */
export interface Matching {
  readonly node: string
  /** Epoch µs, inclusive and exclusive. */
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** Months whose rows may be gone. */
  readonly dropped: ReadonlySet<string>
  /** Rows that PostgreSQL refused and that wait in dead letters (recorder.ts). */
  readonly parked: ReadonlySet<string>
  /** Halves and leaves that may wait in memory for their other side. */
  readonly mostWaiting?: number | undefined
  /** Told of each row that was read. */
  readonly onRow: () => void
}

/**
 * Holds the rows of a node against its batches: every column against the row's bytes, every half against the leaf that vouches for it, and every
 * leaf against its row. Rows come in the order of their times, leaves almost; so both are read side by side, and what is kept is what
 * has not met its other side yet, at most {@link Matching.mostWaiting}.
 */
export async function* verifyRows(view: AuditView, matching: Matching): AsyncGenerator<AuditFault, void, undefined> {
  const { node, from, to } = matching
  const rows = view.stream({ from, to, node, order: 'oldest' })
  const sides = new Sides(view, matching)
  try {
    for await (const root of view.roots({ node })) {
      if (root.kind !== 'batch') continue
      const leaves = leavesOf(root, matching)
      yield* sides.readUntil(rows, middleOf(leaves))
      for (const leaf of leaves) yield* sides.leaf(leaf)
      if (!sides.full) continue
      yield rowFault('not compared', node, sides.oldest(), tooMany(root))
      return
    }
    yield* sides.end(rows)
  } finally {
    await rows.return()
  }
}

function tooMany({ number }: BatchRoot): string {
  return `too many halves and leaves wait for their other side at batch ${number}, this is the oldest; nothing after it was compared: verify a shorter time with --from and --to`
}

/** Both sides of the comparison as far as they were read. */
class Sides {
  readonly #view: AuditView
  readonly #matching: Matching
  readonly #halves = new Waiting()
  readonly #leaves = new Waiting()
  readonly #allowed = new Allowed()
  /** Key of the last row that was read. */
  #read: RowKey | undefined
  #rowsEnded = false
  #leavesEnded = false

  constructor(view: AuditView, matching: Matching) {
    this.#view = view
    this.#matching = matching
  }

  /** More waits than may be in memory. */
  get full(): boolean {
    const { mostWaiting = MOST_WAITING } = this.#matching
    return this.#halves.size + this.#leaves.size + this.#allowed.size > mostWaiting
  }

  oldest(): RowKey {
    const [oldest] = [...this.#halves.first(), ...this.#leaves.first()]
    return oldest ?? { timestamp: 0, id: '' }
  }

  /** Reads rows up to a time, epoch µs, unless too many wait before. */
  async *readUntil(rows: AsyncGenerator<AuditRow, void>, timestamp: number): AsyncGenerator<AuditFault, void> {
    while (!this.#rowsEnded && !this.full && (this.#read === undefined || this.#read.timestamp <= timestamp)) {
      const { done, value: row } = await rows.next()
      if (done) {
        this.#rowsEnded = true
        return
      }
      this.#read = { timestamp: row.timestamp, id: row.id }
      this.#matching.onRow()
      yield* columnFaults(row)
      for (const half of halvesOfRow(row)) yield* this.#half(half)
      this.#allowed.forget(row)
    }
  }

  *#half(half: Half): Generator<AuditFault> {
    const signed = this.#leaves.take(half)
    if (signed === undefined) {
      if (this.#allowed.has(half)) return
      if (this.#leavesEnded) yield this.#added(half)
      else this.#halves.add(half)
    } else if (!signed.equals(half.hash)) {
      yield this.#rewritten(half, signed, half.hash)
    }
  }

  /** Compares a leaf with its half; one whose row comes later waits. */
  async *leaf({ kind, ...leaf }: Leaf): AsyncGenerator<AuditFault, void> {
    if (kind === 'superseded') this.#superseded({ kind: 'decision', ...leaf })
    else yield* this.#required({ kind, ...leaf })
  }

  /** The recorder could not know whether a row would show this decision: one may, none must. */
  #superseded(leaf: Half): void {
    if (!this.#isPast(leaf)) this.#allowed.add(leaf)
    else if (this.#halves.holds(leaf)) this.#halves.take(leaf)
  }

  async *#required(leaf: Half): AsyncGenerator<AuditFault, void> {
    const held = this.#halves.take(leaf)
    if (held !== undefined) {
      if (!held.equals(leaf.hash)) yield this.#rewritten(leaf, leaf.hash, held)
    } else if (this.#isPast(leaf)) {
      yield* this.#missing(leaf)
    } else {
      this.#leaves.add(leaf)
    }
  }

  /** All leaves were read: reads the rest of the rows, and names what is still alone. */
  async *end(rows: AsyncGenerator<AuditRow, void>): AsyncGenerator<AuditFault, void> {
    this.#leavesEnded = true
    for (const half of this.#halves) yield this.#added(half)
    this.#halves.clear()
    yield* this.readUntil(rows, Number.POSITIVE_INFINITY)
    for (const leaf of this.#leaves) yield* this.#missing(leaf)
  }

  #added({ kind, ...key }: Half): AuditFault {
    return rowFault('added row', this.#matching.node, key, `no batch signed its ${kind}`)
  }

  #isPast({ timestamp, id }: RowKey): boolean {
    if (this.#rowsEnded || this.#read === undefined) return this.#rowsEnded
    const { timestamp: read, id: readId } = this.#read
    return timestamp < read || (timestamp === read && id <= readId)
  }

  /** A batch that was written again after a crash may sign a half twice: the second leaf finds nothing that waits. */
  async *#missing(leaf: Half): AsyncGenerator<AuditFault, void> {
    const { node, dropped } = this.#matching
    const { timestamp, kind } = leaf
    const rows = await this.#view.search({ from: timestamp, to: timestamp + 1, node }, SAME_TIME)
    const row = rows.find(({ id }) => id === leaf.id)
    const half = row === undefined ? undefined : halvesOfRow(row).find((held) => held.kind === kind)
    if (half?.hash.equals(leaf.hash) || (row === undefined && dropped.has(monthOf(timestamp)))) return
    yield half === undefined ? this.#lost(leaf, row !== undefined) : this.#rewritten(leaf, leaf.hash, half.hash)
  }

  #lost(leaf: Half, hasRow: boolean): AuditFault {
    const { node, parked } = this.#matching
    const how = hasRow ? 'its row has none' : 'there is no such row'
    if (!parked.has(parkedKey(leaf)))
      return rowFault('deleted row', node, leaf, `a batch signed its ${leaf.kind}, ${how}`)
    const message = `PostgreSQL refused its ${leaf.kind}, which waits in the dead letters: run sallyport audit replay`
    return rowFault('dead letter', node, leaf, message)
  }

  #rewritten(key: Half, signed: Buffer, held: Buffer): AuditFault {
    const message = `a batch signed a ${key.kind} with the hash ${signed.toString('hex')}, the row has one with ${held.toString('hex')}`
    return rowFault('rewritten row', this.#matching.node, key, message)
  }
}

/** Rows of one node in one µs: far more than there can be. */
const SAME_TIME = 1_000

/** The leaves of a batch that are about the time that is compared. */
function leavesOf(root: BatchRoot, { from = 0, to = Number.POSITIVE_INFINITY }: Matching): readonly Leaf[] {
  return wholeLeaves(root).filter(({ timestamp }) => timestamp >= from && timestamp < to)
}

/** None of a batch whose leaves cannot be read: that it was edited has been said of it already. */
function wholeLeaves({ leaves }: BatchRoot): readonly Leaf[] {
  try {
    return [...readLeaves(leaves)]
  } catch {
    return []
  }
}

function halvesOfRow({ timestamp, id, decision_hash, completion_hash }: AuditRow): readonly Half[] {
  return [
    ...(decision_hash === undefined ? [] : [{ kind: 'decision' as const, timestamp, id, hash: decision_hash }]),
    ...(completion_hash === undefined ? [] : [{ kind: 'completion' as const, timestamp, id, hash: completion_hash }]),
  ]
}

/** The time in the middle: one request with a wrong clock does not make all rows up to it wait. */
function middleOf(leaves: readonly Leaf[]): number {
  const times = leaves.map(({ timestamp }) => timestamp).sort((a, b) => a - b)
  return times[times.length >> 1] ?? 0
}
