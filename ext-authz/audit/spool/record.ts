import { crc32c } from '@node-rs/crc32'
import { DIGEST_BYTES, type Digest, digestOf } from './digest.ts'

/**
 * One record on disk (design.md §7): u32 length | u32 CRC-32C of the payload | payload; payload = u64 sequence | u8 kind | SHA-256 of
 * the payload before (32 bytes) | UTF-8 JSON. Numbers are big-endian. The payload before a segment's first record is its header's.
 * `end` is a segment's footer: it carries the next sequence number and the last hash, and uses up no number.
 */
const KIND_CODES = { decision: 1, note: 2, end: 3 } as const
const KINDS: readonly (FrameKind | undefined)[] = [undefined, 'decision', 'note', 'end']

/** What a record is: a decision, a remark of the spool itself, or the footer of a segment. */
export type FrameKind = keyof typeof KIND_CODES

/** Length and checksum. */
const PREFIX_BYTES = 8
const HASH_AT = PREFIX_BYTES + 9
/** Bytes of a record beside its JSON. */
export const OVERHEAD_BYTES = HASH_AT + DIGEST_BYTES
/** Most bytes of a record's JSON, so that every record fits a chunk of a reader. */
export const MAX_JSON_BYTES = 2 ** 20 - OVERHEAD_BYTES

/** Where a whole record with a right checksum stands in some bytes. */
export interface Frame {
  readonly kind: FrameKind
  readonly sequence: number
  readonly start: number
  readonly end: number
}

/** Completes a record whose JSON of `jsonBytes` bytes was written at `start + OVERHEAD_BYTES`. Returns the hash of its payload. */
export function sealFrame(
  bytes: Buffer,
  start: number,
  record: { kind: FrameKind; sequence: number; previous: Digest; jsonBytes: number },
): Digest {
  bytes.writeUInt32BE(OVERHEAD_BYTES - PREFIX_BYTES + record.jsonBytes, start)
  // Two halves: a bigint per record would be garbage.
  bytes.writeUInt32BE(Math.floor(record.sequence / 2 ** 32), start + PREFIX_BYTES)
  bytes.writeUInt32BE(record.sequence % 2 ** 32, start + PREFIX_BYTES + 4)
  bytes[start + PREFIX_BYTES + 8] = KIND_CODES[record.kind]
  return chainFrame(bytes, start, record.previous)
}

/** Makes a record follow `previous` in the chain, in place. Returns the hash of its payload. */
export function chainFrame(bytes: Buffer, start: number, previous: Digest): Digest {
  bytes.write(previous, start + HASH_AT, 'latin1')
  const payload = payloadOf(bytes, start)
  bytes.writeUInt32BE(crc32c(payload), start + 4)
  return digestOf(payload)
}

/** A record as bytes of their own, and the hash of its payload. */
export function frameOf(
  kind: FrameKind,
  sequence: number,
  previous: Digest,
  json: string,
): { bytes: Buffer; hash: Digest } {
  const jsonBytes = Buffer.byteLength(json)
  const bytes = Buffer.alloc(OVERHEAD_BYTES + jsonBytes)
  bytes.write(json, OVERHEAD_BYTES)
  return { hash: sealFrame(bytes, 0, { kind, sequence, previous, jsonBytes }), bytes }
}

/** The record at `start`; `short` where the bytes end within it, `bad` where none can be: wrong length, checksum or kind. */
export function frameAt(bytes: Buffer, start: number): Frame | 'short' | 'bad' {
  if (bytes.length - start < PREFIX_BYTES) return 'short'
  const length = bytes.readUInt32BE(start)
  const end = start + PREFIX_BYTES + length
  // A zero-filled tail is a record of length 0 with a right checksum; the least length keeps it out.
  if (length < OVERHEAD_BYTES - PREFIX_BYTES || length > MAX_JSON_BYTES + OVERHEAD_BYTES - PREFIX_BYTES) return 'bad'
  if (end > bytes.length) return 'short'
  const kind = KINDS[bytes[start + PREFIX_BYTES + 8] ?? 0]
  const sequence = bytes.readUInt32BE(start + PREFIX_BYTES) * 2 ** 32 + bytes.readUInt32BE(start + PREFIX_BYTES + 4)
  if (kind === undefined || !Number.isSafeInteger(sequence)) return 'bad'
  if (crc32c(payloadOf(bytes, start)) !== bytes.readUInt32BE(start + 4)) return 'bad'
  return { kind, sequence, start, end }
}

/** What checksum and hash cover; a view, not a copy. */
function payloadOf(bytes: Buffer, start: number): Buffer {
  return bytes.subarray(start + PREFIX_BYTES, start + PREFIX_BYTES + bytes.readUInt32BE(start))
}

/** What the record after the one at `start` carries. */
export function payloadHash(bytes: Buffer, start: number): Digest {
  return digestOf(payloadOf(bytes, start))
}

/** The JSON of a record; a view, not a copy. */
export function jsonOf(bytes: Buffer, { start, end }: Frame): Buffer {
  return bytes.subarray(start + OVERHEAD_BYTES, end)
}

/** The hash that a record carries of the payload before it. */
export function previousOf(bytes: Buffer, start: number): Digest {
  return bytes.toString('latin1', start + HASH_AT, start + HASH_AT + DIGEST_BYTES)
}

/** Sequence number of the record at `start`, which is known to be whole. */
export function sequenceAt(bytes: Buffer, start: number): number {
  return bytes.readUInt32BE(start + PREFIX_BYTES) * 2 ** 32 + bytes.readUInt32BE(start + PREFIX_BYTES + 4)
}

/** Where the record at `start`, which is known to be whole, ends. */
export function frameEnd(bytes: Buffer, start: number): number {
  return start + PREFIX_BYTES + bytes.readUInt32BE(start)
}
