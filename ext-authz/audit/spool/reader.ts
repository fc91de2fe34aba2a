import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { eventId } from '../decision.ts'
import { readBase } from './base.ts'
import { deleteSegmentsBefore } from './deletion.ts'
import { openIfThere } from './files.ts'
import { type FileFrame, FrameReader } from './frame-reader.ts'
import { jsonOf } from './record.ts'
import { type FoundHeader, firstIn, segmentsIn } from './segment.ts'

/** A place in a spool, as JSON can hold it. */
export interface SpoolPosition {
  /** File name. */
  readonly segment: string
  /** End of the last record taken. */
  readonly offset: number
}

/** One record of a spool. */
export interface SpoolRecord {
  /** Event id: `<node>.<boot>.<sequence>`. */
  readonly event: string
  readonly sequence: number
  /** A note is a remark of the spool itself: full, resumed. */
  readonly kind: 'decision' | 'note'
  /** Its exact bytes; a copy. */
  readonly json: Buffer
  readonly end: SpoolPosition
}

/** Records that cannot be read: damaged, or gone with their segment. */
export interface SpoolGap {
  /** Where it was noticed. */
  readonly segment: string
  readonly offset: number
  /** Of the first and the last record that is missing; as many at most. */
  readonly fromSequence: number
  readonly toSequence: number
}

/** How much one `read` may return; at least one record when there is one. */
export interface ReadLimit {
  readonly records: number
  /** Of their JSON. */
  readonly bytes: number
}

/** The segment that is read. */
interface Current {
  readonly name: string
  readonly header: FoundHeader
  offset: number
  /** Records that end here or before were taken in a former life of this reader. */
  readonly takenTo: number
  /** Size up to which nothing good was found behind a bad record. */
  searched: number
}

/**
 * Reads the records of one worker's spool in order, from a position on, while the worker writes on: rotation is followed, half a record at
 * the end of the live segment is "not there yet", damage is stepped over and reported. A record with a wrong checksum is never returned;
 * one may come twice after a power failure. The hash chain is verify.ts's matter.
 */
export class SpoolReader {
  readonly #folder: string
  readonly #onGap: (gap: SpoolGap) => void
  readonly #room = FrameReader.room()
  #from: SpoolPosition | undefined
  #current: Current | undefined
  /** Segments, as of the last look. */
  #names: readonly string[] = []
  /** Name of the last segment that is done with. */
  #passed = ''
  /** Sequence number of the next record; undefined before the first segment. */
  #expected: number | undefined

  /** Begins behind `from`, or with the oldest record. `onGap` is told of each gap once. */
  constructor(
    folder: string,
    from: SpoolPosition | undefined,
    { onGap = () => undefined }: { readonly onGap?: (gap: SpoolGap) => void } = {},
  ) {
    this.#folder = folder
    this.#from = from
    this.#onGap = onGap
  }

  /** The next records; none at the end, for now. Rejects with the system's error where the folder cannot be read. */
  async read(limit: ReadLimit): Promise<readonly SpoolRecord[]> {
    const records: SpoolRecord[] = []
    for (;;) {
      const current = this.#current ?? (await this.#enter())
      if (current === undefined) return records
      // Looked for before the rest is read: what comes before a newer segment is complete.
      const newer = await this.#behind(current.name)
      const full = await this.#take(current, limit, newer !== undefined, records)
      if (full || newer === undefined) return records
      this.#passed = current.name
      this.#current = undefined
    }
  }

  /**
   * Deletes the segments that lie wholly before a position, the one that it is at the end of included when that has its footer. Where
   * the rest begins is written down first, so that numbers and chain go on. Rejects with the system's error; what it did stays done.
   */
  async deleteBefore(position: SpoolPosition): Promise<void> {
    await deleteSegmentsBefore(this.#folder, position)
  }

  /** The next segment; undefined where there is none yet. */
  async #enter(): Promise<Current | undefined> {
    if (this.#from !== undefined) await this.#start(this.#from)
    for (let name = await this.#next(); name !== undefined; name = await this.#next()) {
      const header = await this.#headerOf(name)
      const first = header?.first ?? (await this.#firstBehind(name))
      if (first === undefined) return undefined
      if (await this.#isOvertaken(name, first)) continue
      if (header !== undefined) return this.#entered(name, header)
      this.#gap(name, 0, this.#expected ?? firstIn(name), first - 1)
      this.#expected = first
      this.#passed = name
    }
    return undefined
  }

  #next(): Promise<string | undefined> {
    return this.#behind(this.#passed)
  }

  async #firstBehind(name: string): Promise<number | undefined> {
    const newer = await this.#behind(name)
    return newer === undefined ? undefined : firstIn(newer)
  }

  /** The segment behind one; what the last look found will do, when it found any. */
  async #behind(name: string): Promise<string | undefined> {
    const known = this.#names.find((candidate) => candidate > name)
    if (known !== undefined) return known
    this.#names = await segmentsIn(this.#folder)
    return this.#names.find((candidate) => candidate > name)
  }

  /** Where something is missing, the writer may have put a rewritten segment in between since the last look. */
  async #isOvertaken(name: string, first: number): Promise<boolean> {
    if (this.#expected === undefined || first <= this.#expected) return false
    this.#names = await segmentsIn(this.#folder)
    return this.#names.find((candidate) => candidate > this.#passed) !== name
  }

  #entered(name: string, header: FoundHeader): Current {
    const takenTo = this.#from?.segment === name ? this.#from.offset : 0
    this.#from = undefined
    if (this.#expected !== undefined) this.#gap(name, 0, this.#expected, header.first - 1)
    // A segment under another's name: it is read in spite of its numbers.
    const isMisplaced = header.first !== firstIn(name)
    this.#expected = isMisplaced ? header.first : Math.max(this.#expected ?? 0, header.first)
    this.#current = { name, header, offset: header.end, takenTo, searched: 0 }
    return this.#current
  }

  /** Begins at the segment of the first position, or behind it where it is gone: deleted after its records were taken, or lost. */
  async #start({ segment }: SpoolPosition): Promise<void> {
    this.#names = await segmentsIn(this.#folder)
    this.#passed = this.#names.findLast((name) => name < segment) ?? ''
    if (this.#names.includes(segment)) return
    const base = await readBase(this.#folder)
    const isKnown = base !== undefined && base !== 'damaged' && base.segment >= segment
    this.#expected = isKnown ? base.next : firstIn(segment)
    this.#passed = segment
    this.#from = undefined
  }

  /** Takes the records of the segment; true when the limit is reached. */
  async #take(current: Current, limit: ReadLimit, isComplete: boolean, records: SpoolRecord[]): Promise<boolean> {
    await using handle = await openIfThere(join(this.#folder, current.name))
    if (handle === undefined) return false
    const reader = new FrameReader(handle, current.offset, this.#room)
    const mayStepOver = async (found: string) => isComplete || (found === 'bad' && (await hasGrown(handle, current)))
    let bytes = records.reduce((sum, { json }) => sum + json.length, 0)
    while (records.length < limit.records && bytes < limit.bytes) {
      const found = await reader.whole(mayStepOver)
      const record = found === undefined ? undefined : this.#recordOf(found, current)
      if (found === undefined || found.frame.kind === 'end') return false
      current.offset = found.end
      if (record === undefined) continue
      records.push(record)
      bytes += record.json.length
    }
    return true
  }

  /** Undefined for one that was taken before, and for a footer. */
  #recordOf({ frame, bytes, end }: FileFrame, current: Current): SpoolRecord | undefined {
    const { sequence, kind } = frame
    const expected = this.#expected ?? sequence
    if (end > current.takenTo) this.#gap(current.name, current.offset, expected, sequence - 1)
    this.#expected = Math.max(expected, kind === 'end' ? sequence : sequence + 1)
    if (kind === 'end' || sequence < expected || end <= current.takenTo) return undefined
    const { node, boot } = current.header
    const json = Buffer.from(jsonOf(bytes, frame))
    return { event: eventId(node, boot, sequence), sequence, kind, json, end: { segment: current.name, offset: end } }
  }

  #gap(segment: string, offset: number, fromSequence: number, toSequence: number): void {
    if (toSequence < fromSequence) return
    this.#onGap({ segment, offset, fromSequence, toSequence })
  }

  async #headerOf(name: string): Promise<FoundHeader | undefined> {
    await using handle = await openIfThere(join(this.#folder, name))
    return handle === undefined ? undefined : await FrameReader.header(handle)
  }
}

/** True when there is more behind a bad record than when it was last searched. */
async function hasGrown(handle: FileHandle, current: Current): Promise<boolean> {
  const { size } = await handle.stat()
  const grown = size > current.searched
  current.searched = size
  return grown
}
