import type { BatchRoot, Ended } from '../store/batch.ts'
import { NO_SUCH_ROW, NOT_OPEN, PartitionMissing, type RowKey, RowRefused, StoreAway } from '../store/errors.ts'
import type { AuditMaintainer } from '../store/maintainer.ts'
import type { AuditWriter } from '../store/writer.ts'
import { type DeadLetters, LettersFull } from './dead-letters.ts'
import { asRow, batchOf, type Entry, type LateEntry, type RowEntry } from './entry.ts'
import { isSystemFault, type Patience, patiently } from './patience.ts'
import type { Prepared } from './prepared.ts'

export interface SenderOptions {
  readonly node: string
  readonly writer: AuditWriter
  readonly maintainer: AuditMaintainer
  readonly letters: DeadLetters
  readonly patience: Patience
  readonly deadLetter: (refusal: RowRefused) => void
  /** Epoch ms. */
  readonly now: () => number
}

type Writable = RowEntry | LateEntry

/** Most entries of one transaction. */
const PART_ENTRIES = 2_000

/** What one transaction is to write of a batch; every part carries the batch's root, which is there after the first. */
interface Part {
  readonly entries: readonly Writable[]
  /** Only of the last part: rows that are still to come must be there when they are ended. */
  readonly ended: readonly Ended[]
  readonly root: BatchRoot
}

/** A part, and those of its late completions whose row was a dead letter when it was looked at. */
interface SortedPart extends Part {
  readonly beside: ReadonlySet<Writable>
}

/** Brings batches into the store: waits while it is away, has months made, and puts aside what it refuses. */
export class Sender {
  readonly #options: SenderOptions

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /**
   * Resolves when all of a batch is in the store, or in a dead letter. Rejects with RootTaken, with nothing written; with the
   * signal's reason when that is given first, with any part of it written.
   */
  async send({ entries, ended, root }: Prepared): Promise<void> {
    const writable = entries.filter((entry) => entry.kind !== 'superseded')
    // In parts, for a transaction has a deadline, and one that is always cut would be tried for ever.
    for (let from = 0; ; from += PART_ENTRIES) {
      const isLast = from + PART_ENTRIES >= writable.length
      await this.#deliver({ entries: writable.slice(from, from + PART_ENTRIES), ended: isLast ? ended : [], root })
      if (isLast) return
    }
  }

  async #deliver(given: Part): Promise<void> {
    const { entries: writable, beside } = await this.#besideLetters(given.entries)
    const part = { ...given, entries: writable, beside }
    const refused = await this.#attempt(part)
    if (refused === undefined) return
    const { entries, ended, root } = part
    const named = entries.filter((entry) => refused.rows.some((key) => isKeyOf(key, entry)))
    if (named.length > 0) return this.#deliver({ ...part, entries: await this.#sortOut(part, named, refused) })
    const [only] = entries
    if (only === undefined) throw new Error('the store refuses a batch without rows', { cause: refused })
    if (entries.length === 1) {
      await this.#putAside(only, root, refused)
      return this.#deliver({ ...part, entries: [] })
    }
    const half = Math.ceil(entries.length / 2)
    await this.#deliver({ entries: entries.slice(0, half), ended: [], root })
    await this.#deliver({ entries: entries.slice(half), ended, root })
  }

  /**
   * A decision without its completion, of a request whose row may be there already, leaves nothing behind where it is. The row of a
   * dead letter is not there yet, and comes: such a decision would take its place. `beside`: late completions of rows in letters.
   */
  async #besideLetters(entries: readonly Writable[]) {
    const left: Writable[] = []
    const beside = new Set<Writable>()
    for (const entry of entries) {
      const mayBeThere = entry.kind === 'late' || (!entry.sure && entry.line === undefined)
      const row = mayBeThere ? await this.#options.letters.rowOf(entry) : undefined
      if (row !== undefined && entry.kind === 'late') beside.add(entry)
      // A batch that is sent again finds the letter of its own first try.
      if (row === undefined || entry.kind === 'late' || row.decision?.event === entry.decision?.event) left.push(entry)
    }
    return { entries: left, beside }
  }

  /** What is left to write once those that the store has named are dealt with: fewer late completions, or fewer entries. */
  async #sortOut(part: SortedPart, named: readonly Writable[], refused: RowRefused): Promise<readonly Writable[]> {
    const late = named.filter((entry) => entry.kind === 'late')
    if (refused.sqlstate === NO_SUCH_ROW && late.length > 0) return this.#asRows(part, late, refused)
    // A row and its late completion may be in one batch; the sentence is about one of them.
    const kind = refused.sqlstate === NOT_OPEN ? 'late' : 'row'
    const ofKind = named.filter((entry) => entry.kind === kind)
    const guilty = ofKind.length > 0 ? ofKind : named
    for (const entry of guilty) await this.#putAside(entry, part.root, refused)
    return part.entries.filter((entry) => !guilty.includes(entry))
  }

  /** Late completions without a row are rows; but where the row is a dead letter, they wait beside it. */
  async #asRows({ entries, root, beside }: SortedPart, late: readonly LateEntry[], refused: RowRefused) {
    const left: Writable[] = []
    for (const entry of entries) {
      if (entry.kind !== 'late' || !late.includes(entry)) left.push(entry)
      else if ((await this.#options.letters.rowOf(entry)) !== undefined) await this.#putAside(entry, root, refused)
      // The letter was replayed meanwhile: now there is a row to complete.
      else if (beside.has(entry)) left.push(entry)
      else left.push(asRow(entry))
    }
    return left
  }

  async #attempt({ entries, ended, root }: Part): Promise<RowRefused | undefined> {
    const { writer, patience } = this.#options
    // The root's own node: a recorder that was renamed sends the batch that it found as it was.
    const batch = batchOf(root.node, entries, ended, root)
    return patiently(patience, async () => {
      try {
        await writer.write(batch)
        return undefined
      } catch (error) {
        if (error instanceof RowRefused) return error
        if (!(error instanceof PartitionMissing)) throw error
        const refused = await this.#makeMonths(error)
        if (refused !== undefined) return refused
        throw error
      }
    })
  }

  /** Gives the refusal where one of the months cannot be. */
  async #makeMonths({ months }: PartitionMissing): Promise<RowRefused | undefined> {
    const { maintainer, now } = this.#options
    try {
      await maintainer.ensure(now() * 1000, months)
      return undefined
    } catch (error) {
      if (error instanceof RowRefused) return error
      throw error
    }
  }

  async #putAside(entry: Writable, root: BatchRoot, refused: RowRefused): Promise<void> {
    const { letters, patience, deadLetter } = this.#options
    const { message: reason, sqlstate } = refused
    await patiently(patience, () => letters.put(entry, root, { reason, sqlstate }))
    deadLetter(refused)
  }
}

/** Faults after which the same is tried again. */
export const passesByItself = (error: unknown): boolean =>
  error instanceof StoreAway ||
  error instanceof PartitionMissing ||
  error instanceof LettersFull ||
  isSystemFault(error)

const isKeyOf = (key: RowKey, entry: Entry): boolean => key.timestamp === entry.timestamp && key.id === entry.id
