import type { Digest } from './digest.ts'
import type { SpoolFiles } from './files.ts'
import type { FrameKind } from './record.ts'
import { SegmentWriter } from './segment-writer.ts'
import { Unsynced } from './unsynced.ts'

/** With so much not on the disk, records are refused until it is. */
const MAX_UNSYNCED_BYTES = 2 ** 25
/** A segment that has got nothing for so long is ended, so that the recorder can delete it, unless it is hardly begun. */
const IDLE_MS = 1000
const IDLE_BYTES = 2 ** 14

/** What the headers of a writer's segments say, and when one ends. */
export interface JournalOptions {
  readonly folder: string
  readonly node: string
  readonly worker: number
  readonly boot: string
  /** A segment ends at this size … */
  readonly segmentBytes: number
  /** … and at this age, ms. */
  readonly segmentMs: number
  /** Epoch ms. */
  readonly now: () => number
}

/** What became of a turn: how many of its records are in the file, and the error that kept out the rest. */
export interface Turn {
  readonly records: number
  readonly error?: unknown
}

/** The records of one writer: their numbers, the chain over them, and the segments they go to. */
export class Journal {
  readonly unsynced = new Unsynced(MAX_UNSYNCED_BYTES)
  readonly counts = { records: 0, bytes: 0, segments: 0, rewrites: 0 }
  readonly #options: JournalOptions
  readonly #files: SpoolFiles
  /** Of the next record. */
  #sequence: number
  /** Hash of the last record. */
  #head: Digest
  /** Both, before this turn. */
  #before: { readonly sequence: number; readonly head: Digest }
  #segment: SegmentWriter | undefined
  #writtenAt = 0

  /** `next` and `last` are what a predecessor left. */
  constructor(options: JournalOptions, files: SpoolFiles, { next, last }: { next: number; last: Digest }) {
    this.#options = options
    this.#files = files
    this.#sequence = next
    this.#head = last
    this.#before = { sequence: next, head: last }
  }

  /** Sequence number of this turn's first record. */
  get turnFirst(): number {
    return this.#before.sequence
  }

  /** Bytes of the segment that is written; 0 between two. */
  get segmentBytes(): number {
    return this.#segment?.exists === true ? this.#segment.size : 0
  }

  /** Begins a turn: in the segment that is open, or a new one where that is due. Call it with nothing pending. */
  beginTurn(): void {
    if (this.#segment?.exists !== true || this.#isDue(this.#segment)) {
      this.end()
      const { node, worker, boot, now, folder } = this.#options
      const header = { node, worker, boot, first: this.#sequence, previous: this.#head, created: now() }
      this.#segment = new SegmentWriter(this.#files, folder, header)
    }
    this.#before = { sequence: this.#sequence, head: this.#head }
  }

  /** Adds a record to the turn; false where it is too long, or too much is not on the disk. */
  add(kind: FrameKind, json: string): boolean {
    const segment = this.#segment
    if (segment === undefined) return false
    const sequence = this.#sequence
    const previous = sequence === segment.header.first ? segment.hash : this.#head
    const hash = this.unsynced.add({ kind, sequence, previous, json })
    if (hash === undefined) return false
    this.#head = hash
    this.#sequence = sequence + 1
    return true
  }

  /** Writes the turn. Records that did not get in never were: their numbers are used again. */
  writeTurn(): Turn {
    const segment = this.#segment
    if (segment === undefined) return { records: 0 }
    const { exists, size } = segment
    const asked = this.#sequence - this.#before.sequence
    const shortfall = this.unsynced.write(segment)
    this.#writtenAt = this.#options.now()
    if (segment.exists) this.counts.bytes += segment.size - (exists ? size : 0)
    if (segment.exists && !exists) this.counts.segments += 1
    const records = shortfall?.records ?? asked
    this.counts.records += records
    const sequence = this.#before.sequence + records
    if (shortfall !== undefined) {
      this.#sequence = sequence
      this.#head = shortfall.last ?? this.#before.head
    }
    this.#before = { sequence, head: this.#head }
    return shortfall === undefined ? { records } : { records, error: shortfall.error }
  }

  /** Ends the segment, so that readers can go on from it. Call it with nothing pending. */
  end(): void {
    const segment = this.#segment
    if (segment?.exists === true) {
      const { size } = segment
      // Without its footer a segment is read all the same; what kept that out keeps out the next record too, and is told then.
      segment.end(this.#sequence, this.#head)
      this.counts.bytes += segment.size - size
    }
    this.#segment = undefined
  }

  /** Ends a segment that is due, or that rests. */
  endIdle(): void {
    const segment = this.#segment
    if (segment?.exists !== true || this.unsynced.pending > 0) return
    const rests = Math.abs(this.#options.now() - this.#writtenAt) >= IDLE_MS && segment.size >= IDLE_BYTES
    if (rests || this.#isDue(segment)) this.end()
  }

  /** Writes all that is not synced to new files; see {@link Unsynced.rewrite}. Returns the error. */
  rewrite(): unknown {
    this.#segment = undefined
    const { last, error } = this.unsynced.rewrite(this.#files, this.#options.folder)
    if (error !== undefined) return error
    this.counts.rewrites += 1
    this.#head = last ?? this.#head
    this.#before = { sequence: this.#sequence, head: this.#head }
    return undefined
  }

  #isDue({ size, header }: SegmentWriter): boolean {
    // A clock that was set back must not keep it open.
    return (
      size >= this.#options.segmentBytes || Math.abs(this.#options.now() - header.created) >= this.#options.segmentMs
    )
  }
}
