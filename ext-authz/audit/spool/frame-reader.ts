import type { FileHandle } from 'node:fs/promises'
import { type Frame, frameAt } from './record.ts'
import { decodeHeader, type FoundHeader, MAX_HEADER_BYTES } from './segment.ts'

/** A record is never longer. */
const CHUNK_BYTES = 2 ** 20

/** A whole record of a file. */
export interface FileFrame {
  /** Its place in `bytes`. */
  readonly frame: Frame
  /** Holds the record; good until the next one is asked for. */
  readonly bytes: Buffer
  /** Offset in the file. */
  readonly start: number
  readonly end: number
}

/** Reads the records of a segment one by one, in chunks of 1 MiB. The caller closes the handle. */
export class FrameReader {
  readonly #handle: FileHandle
  readonly #room: Buffer
  #bytes: Buffer
  /** Offset in the file of `#bytes`. */
  #bytesAt = 0
  #offset: number

  /** Begins at `offset`. `room` may be that of a former reader. */
  constructor(handle: FileHandle, offset: number, room: Buffer = FrameReader.room()) {
    this.#handle = handle
    this.#room = room
    this.#bytes = room.subarray(0, 0)
    this.#offset = offset
  }

  /** What a reader reads into. */
  static room(): Buffer {
    return Buffer.allocUnsafeSlow(CHUNK_BYTES)
  }

  /** The header of the file; undefined where none is whole. */
  static async header(handle: FileHandle): Promise<FoundHeader | undefined> {
    const bytes = Buffer.alloc(MAX_HEADER_BYTES)
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0)
    return decodeHeader(bytes.subarray(0, bytesRead))
  }

  /** Offset of the next record. */
  get offset(): number {
    return this.#offset
  }

  /** The next record; `short` where the file ends before or within it, `bad` where none can be. Then the offset stays. */
  async next(): Promise<FileFrame | 'short' | 'bad'> {
    let frame = frameAt(this.#bytes, this.#offset - this.#bytesAt)
    if (frame === 'short') {
      await this.#load(this.#offset)
      frame = frameAt(this.#bytes, 0)
    }
    if (frame === 'short' || frame === 'bad') return frame
    const start = this.#offset
    this.#offset = this.#bytesAt + frame.end
    return { frame, bytes: this.#bytes, start, end: this.#offset }
  }

  /**
   * Moves on to the nearest whole record behind the offset; false, and nothing moved, where there is none. Text cannot pass for a
   * record: its first byte is zero, and JSON holds none.
   */
  async search(): Promise<boolean> {
    for (let from = this.#offset + 1; ; ) {
      await this.#load(from)
      const { found, beyond } = scan(this.#bytes)
      if (found !== undefined) {
        this.#offset = from + found
        return true
      }
      if (this.#bytes.length < CHUNK_BYTES) return false
      from += Math.max(beyond, 1)
    }
  }

  /** The next whole record, also behind damage where `mayStepOver` says so; undefined where there is none. */
  async whole(
    mayStepOver: (found: 'short' | 'bad') => boolean | Promise<boolean> = () => true,
  ): Promise<FileFrame | undefined> {
    const found = await this.next()
    if (found !== 'short' && found !== 'bad') return found
    if (!(await mayStepOver(found)) || !(await this.search())) return undefined
    return this.whole()
  }

  async #load(offset: number): Promise<void> {
    let length = 0
    while (length < this.#room.length) {
      const { bytesRead } = await this.#handle.read(this.#room, length, this.#room.length - length, offset + length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    this.#bytes = this.#room.subarray(0, length)
    this.#bytesAt = offset
  }
}

/** The first whole record in some bytes, and where the first begins that might reach beyond them. */
function scan(bytes: Buffer): { found: number | undefined; beyond: number } {
  let beyond = bytes.length
  // Lengths are below 2^24: a record begins with a zero.
  for (let at = bytes.indexOf(0); at !== -1; at = bytes.indexOf(0, at + 1)) {
    const frame = frameAt(bytes, at)
    if (frame === 'short') beyond = Math.min(beyond, at)
    else if (frame !== 'bad') return { found: at, beyond }
  }
  return { found: undefined, beyond }
}
