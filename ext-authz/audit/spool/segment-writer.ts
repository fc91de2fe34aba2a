import { join } from 'node:path'
import type { Digest } from './digest.ts'
import { attempt, type SpoolFiles, writeAll } from './files.ts'
import { frameEnd, frameOf } from './record.ts'
import { encodeHeader, type SegmentHeader, segmentName } from './segment.ts'

/** What became of some records: the bytes of those that are whole in the file, and the error that kept out the rest. */
export interface Appended {
  readonly bytes: number
  readonly error?: unknown
}

/**
 * One segment while it is written. Its file appears with the first records, by rename: nobody finds it without a whole header, and one
 * of the same name (a rewritten segment) is replaced at once.
 */
export class SegmentWriter {
  readonly header: SegmentHeader
  /** What the first record carries. */
  readonly hash: Digest
  readonly #files: SpoolFiles
  readonly #folder: string
  readonly #file: string
  readonly #opening: Buffer
  #fd: number | undefined
  #size: number
  #ended = false

  constructor(files: SpoolFiles, folder: string, header: SegmentHeader) {
    const { bytes, hash } = encodeHeader(header)
    this.header = header
    this.hash = hash
    this.#opening = bytes
    this.#size = bytes.length
    this.#files = files
    this.#folder = folder
    this.#file = join(folder, segmentName(header.first))
  }

  /** Bytes of the file, header included; as planned before it exists. */
  get size(): number {
    return this.#size
  }

  /** True from the first record on. */
  get exists(): boolean {
    return this.#fd !== undefined
  }

  /** True after {@link end}. */
  get ended(): boolean {
    return this.#ended
  }

  /** Writes whole records. What an error leaves of a record is cut off again. */
  append(frames: Buffer): Appended {
    if (this.#fd === undefined) return this.#create(frames)
    const { bytes, error } = writeAll(this.#files, this.#fd, frames, this.#size)
    if (error === undefined) {
      this.#size += bytes
      return { bytes }
    }
    const whole = wholeBytes(frames, bytes)
    this.#size += whole
    return { bytes: whole, error: this.#cutBack() ?? error }
  }

  /** Writes the footer and takes no more. Returns the error that kept the footer out; readers do without. */
  end(next: number, last: Digest): unknown {
    if (this.#ended || this.#fd === undefined) return undefined
    this.#ended = true
    const count = next - this.header.first
    const { bytes } = frameOf('end', next, last, JSON.stringify({ count }))
    const { error } = writeAll(this.#files, this.#fd, bytes, this.#size)
    if (error === undefined) this.#size += bytes.length
    else this.#cutBack()
    return error
  }

  /** Brings it to the disk. Throws also where the file, or the folder, was taken away from under it. */
  async sync(): Promise<void> {
    if (this.#fd === undefined) return
    if (!this.#files.isNameOf(this.#file, this.#fd)) await this.#wasTakenAway()
    await this.#files.datasync(this.#fd)
  }

  /** A reader deletes a segment that has ended when its records are safe elsewhere; then nothing is wrong but with the folder gone too. */
  async #wasTakenAway(): Promise<void> {
    if (this.#ended) await this.#files.syncFolder(this.#folder)
    else throw Object.assign(new Error(`${this.#file}: was taken away while it was written`), { code: 'ENOENT' })
  }

  /** Gives the file back; errors of closing say nothing that {@link sync} has not said. */
  close(): void {
    if (this.#fd === undefined) return
    const fd = this.#fd
    this.#fd = undefined
    this.#ended = true
    attempt(() => this.#files.close(fd))
  }

  #create(frames: Buffer): Appended {
    const fresh = `${this.#file}.new`
    let fd: number | undefined
    try {
      fd = this.#files.create(fresh)
      const { bytes, error } = writeAll(this.#files, fd, Buffer.concat([this.#opening, frames]), 0)
      if (error !== undefined) throw error
      this.#files.rename(fresh, this.#file)
      this.#fd = fd
      this.#size = bytes
      return { bytes: frames.length }
    } catch (error) {
      const left = fd
      if (left !== undefined) attempt(() => this.#files.close(left))
      // What stays there all the same is in nobody's way: the next try empties it, and opening a spool removes it.
      attempt(() => this.#files.remove(fresh))
      return { bytes: 0, error }
    }
  }

  #cutBack(): unknown {
    const fd = this.#fd
    return fd === undefined ? undefined : attempt(() => this.#files.truncate(fd, this.#size))
  }
}

/** Bytes of the records that lie wholly within the first `length` bytes of whole records. */
function wholeBytes(frames: Buffer, length: number): number {
  let whole = 0
  while (whole < frames.length && frameEnd(frames, whole) <= length) whole = frameEnd(frames, whole)
  return whole
}
