import type { Digest } from './digest.ts'
import { type FrameKind, frameEnd, MAX_JSON_BYTES, OVERHEAD_BYTES, sealFrame } from './record.ts'

const START_BYTES = 2 ** 16
/** A UTF-16 unit is at most three bytes of UTF-8. */
const BYTES_PER_UNIT = 3

/** What a record is made of. */
export interface NewRecord {
  readonly kind: FrameKind
  readonly sequence: number
  /** Hash of the payload before. */
  readonly previous: Digest
  readonly json: string
}

/** Records as they will stand in a file, one after the other: newest at the end, forgotten from the front. Bounded. */
export class FrameBuffer {
  readonly #maxBytes: number
  #bytes = Buffer.allocUnsafeSlow(START_BYTES)
  #length = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get length(): number {
    return this.#length
  }

  /** Adds a record; returns its hash, or undefined where it is too long or there is no room. */
  add({ kind, sequence, previous, json }: NewRecord): Digest | undefined {
    const start = this.#length
    if (json.length > MAX_JSON_BYTES || !this.#grow(start + OVERHEAD_BYTES + json.length * BYTES_PER_UNIT)) {
      return undefined
    }
    const jsonBytes = this.#bytes.write(json, start + OVERHEAD_BYTES)
    if (jsonBytes > MAX_JSON_BYTES) return undefined
    const hash = sealFrame(this.#bytes, start, { kind, sequence, previous, jsonBytes })
    this.#length = start + OVERHEAD_BYTES + jsonBytes
    return hash
  }

  /** A view; good until the next record is added or dropped. */
  view(from: number, to: number): Buffer {
    return this.#bytes.subarray(from, to)
  }

  /** Forgets the newest records, so that `length` bytes are left. */
  cut(length: number): void {
    this.#length = length
  }

  /** Forgets the oldest `length` bytes. */
  drop(length: number): void {
    this.#bytes.copyWithin(0, length, this.#length)
    this.#length -= length
    // What one slow disk made it grow to is given back.
    if (this.#length === 0 && this.#bytes.length > 16 * START_BYTES) this.#bytes = Buffer.allocUnsafeSlow(START_BYTES)
  }

  /** Where the records between two offsets start. */
  *starts(from: number, to: number): Generator<number> {
    for (let start = from; start < to; start = frameEnd(this.#bytes, start)) yield start
  }

  #grow(needed: number): boolean {
    if (needed <= this.#bytes.length) return true
    if (needed > this.#maxBytes) return false
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, this.#bytes.length * 2), this.#maxBytes))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
    return true
  }
}
