import type { Digest } from './digest.ts'
import type { SpoolFiles } from './files.ts'
import { FrameBuffer, type NewRecord } from './frame-buffer.ts'
import { chainFrame, payloadHash, previousOf, sequenceAt } from './record.ts'
import { SegmentWriter } from './segment-writer.ts'

/** A segment of which something is not on the disk yet. */
interface Piece {
  segment: SegmentWriter
  /** Of the records that are kept here. */
  bytes: number
}

/** What one `fdatasync` round covers. */
export interface Round {
  readonly segments: readonly SegmentWriter[]
  readonly covered: readonly { readonly piece: Piece; readonly bytes: number; readonly ended: boolean }[]
}

/** A turn of which not all could be written. */
export interface Shortfall {
  /** How many of its records are in the file all the same. */
  readonly records: number
  /** Hash of the last of them. */
  readonly last: Digest | undefined
  readonly error: unknown
}

/**
 * The records that may not be on the disk yet: those of this turn, and those that were written since the last `fdatasync`. The system
 * reports a write-back error once and then forgets the data (facts/threats.md §0.12), so they are kept until a sync has covered them and
 * are written to a new file after one that failed.
 */
export class Unsynced {
  readonly #frames: FrameBuffer
  #pieces: Piece[] = []
  /** Bytes of the records that are in files; the rest is this turn's. */
  #written = 0
  #orphaned = false

  constructor(maxBytes: number) {
    this.#frames = new FrameBuffer(maxBytes)
  }

  /** Bytes that are written but not synced. */
  get bytes(): number {
    return this.#written
  }

  /** Bytes that are not written yet. */
  get pending(): number {
    return this.#frames.length - this.#written
  }

  /** True when a sync has something to do. */
  get dirty(): boolean {
    return !this.#orphaned && this.#pieces.some(({ segment, bytes }) => bytes > 0 || segment.ended)
  }

  /** True when records are in no file that can be trusted; see {@link rewrite}. */
  get orphaned(): boolean {
    return this.#orphaned
  }

  /** A sync has failed: no file that is open may be trusted or written any more; see {@link rewrite}. */
  orphan(): void {
    this.#orphaned = true
  }

  /** Adds a record to this turn; returns its hash, undefined where it is too long or too much is not synced. */
  add(record: NewRecord): Digest | undefined {
    return this.#frames.add(record)
  }

  /** Writes this turn's records to a segment. Those that did not get in are forgotten. */
  write(segment: SegmentWriter): Shortfall | undefined {
    const from = this.#written
    const { bytes, error } = segment.append(this.#frames.view(from, this.#frames.length))
    this.#frames.cut(from + bytes)
    this.#written += bytes
    if (bytes > 0) this.#pieceOf(segment).bytes += bytes
    if (error === undefined) return undefined
    const starts = [...this.#frames.starts(from, this.#written)]
    const final = starts.at(-1)
    const last = final === undefined ? undefined : payloadHash(this.#frames.view(0, this.#written), final)
    return { records: starts.length, last, error }
  }

  /** What a sync has to bring to the disk now. */
  round(): Round {
    const covered = this.#pieces.map((piece) => ({ piece, bytes: piece.bytes, ended: piece.segment.ended }))
    return { covered, segments: this.#pieces.map(({ segment }) => segment) }
  }

  /** A round is on the disk: its records are forgotten, ended segments closed. */
  synced({ covered }: Round): void {
    const total = covered.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#frames.drop(total)
    this.#written -= total
    for (const { piece, bytes, ended } of covered) {
      piece.bytes -= bytes
      if (ended) piece.segment.close()
    }
    this.#pieces = this.#pieces.filter(({ segment, bytes }) => bytes > 0 || segment.exists)
  }

  /**
   * Writes all that is not synced to new files, one per segment that it was in, each ended; none of the old descriptors is used again.
   * A segment of which nothing was synced is replaced. Call it with no records pending. Returns the hash of the last record; after an
   * error it is to be called again.
   */
  rewrite(files: SpoolFiles, folder: string): { readonly last: Digest | undefined; readonly error?: unknown } {
    this.#orphaned = true
    for (const { segment } of this.#pieces) segment.close()
    this.#pieces = this.#pieces.filter(({ bytes }) => bytes > 0)
    let at = 0
    let last: Digest | undefined
    for (const piece of this.#pieces) {
      const frames = this.#frames.view(at, at + piece.bytes)
      const first = sequenceAt(frames, 0)
      const { header } = piece.segment
      const previous = last ?? (first === header.first ? header.previous : previousOf(frames, 0))
      piece.segment = new SegmentWriter(files, folder, { ...header, first, previous })
      const { error, hash, next } = this.#rechained(piece.segment, at, at + piece.bytes)
      if (error !== undefined) return { last: undefined, error }
      piece.segment.end(next, hash)
      last = hash
      at += piece.bytes
    }
    this.#orphaned = false
    return { last }
  }

  /** The records between two offsets follow the segment's header, and are written to it. */
  #rechained(segment: SegmentWriter, from: number, to: number): { hash: Digest; next: number; error?: unknown } {
    const all = this.#frames.view(0, to)
    let hash = segment.hash
    let next = segment.header.first
    for (const start of this.#frames.starts(from, to)) {
      hash = chainFrame(all, start, hash)
      next += 1
    }
    const { error } = segment.append(this.#frames.view(from, to))
    return error === undefined ? { hash, next } : { hash, next, error }
  }

  #pieceOf(segment: SegmentWriter): Piece {
    const found = this.#pieces.at(-1)
    if (found?.segment === segment) return found
    const piece = { segment, bytes: 0 }
    this.#pieces.push(piece)
    return piece
  }
}
