import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import { type Digest, digestFrom, digestOf, hexOf, isDigestText } from './digest.ts'
import { isCode } from './files.ts'

const MAGIC = Buffer.from('SPOOLSEG')
const VERSION = 1
const NAME = /^(\d{20})\.seg$/
/** Magic, length and checksum. */
const LEAD_BYTES = MAGIC.length + 8

/** No header is longer. */
export const MAX_HEADER_BYTES = 1024

/** What a segment says of itself before its first record. */
export interface SegmentHeader {
  readonly node: string
  readonly worker: number
  readonly boot: string
  /** Sequence number of its first record; also its name. */
  readonly first: number
  /** Hash of the last record before it; zero for the very first. */
  readonly previous: Digest
  /** Epoch ms. */
  readonly created: number
}

/** A header as found in a segment. */
export interface FoundHeader extends SegmentHeader {
  /** Of its payload: what the first record carries. */
  readonly hash: Digest
  /** Offset of the first record. */
  readonly end: number
}

/** The header of a segment: magic | u32 length | u32 CRC-32C | JSON. `hash` is what its first record carries. */
export function encodeHeader(header: SegmentHeader): { bytes: Buffer; hash: Digest } {
  const { node, worker, boot, first, created } = header
  const previous = hexOf(header.previous)
  const payload = Buffer.from(JSON.stringify({ v: VERSION, node, worker, boot, first, previous, created }))
  const numbers = Buffer.alloc(8)
  numbers.writeUInt32BE(payload.length, 0)
  numbers.writeUInt32BE(crc32c(payload), 4)
  return { bytes: Buffer.concat([MAGIC, numbers, payload]), hash: digestOf(payload) }
}

/** The header at the beginning of `bytes` (the first {@link MAX_HEADER_BYTES} of a segment, or all); undefined where none is whole. */
export function decodeHeader(bytes: Buffer): FoundHeader | undefined {
  if (bytes.length < LEAD_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  const end = LEAD_BYTES + bytes.readUInt32BE(MAGIC.length)
  if (end > bytes.length) return undefined
  const payload = bytes.subarray(LEAD_BYTES, end)
  if (crc32c(payload) !== bytes.readUInt32BE(MAGIC.length + 4)) return undefined
  const header = headerIn(parsed(payload))
  return header === undefined ? undefined : { ...header, hash: digestOf(payload), end }
}

/** By hand, and not by a schema: the library would cost every worker 12 MB. */
function headerIn(value: unknown): SegmentHeader | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { v, node, worker, boot, first, previous, created }: Readonly<Record<string, unknown>> = { ...value }
  if (v !== VERSION || typeof node !== 'string' || typeof boot !== 'string') return undefined
  if (!isWhole(worker) || !isWhole(first) || !isWhole(created) || !isDigestText(previous)) return undefined
  return first < 1 ? undefined : { node, worker, boot, first, previous: digestFrom(previous), created }
}

/** File name of the segment that begins with a sequence number; names sort as numbers do. */
export function segmentName(first: number): string {
  return `${String(first).padStart(20, '0')}.seg`
}

/** The sequence number in a segment's name; NaN where it is no such name. */
export function firstIn(name: string): number {
  return Number(NAME.exec(name)?.[1] ?? Number.NaN)
}

/** Names of all segments of a folder, oldest first; none where there is no folder. */
export async function segmentsIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => NAME.test(name)).sort()
  } catch (error) {
    if (isCode(error, 'ENOENT')) return []
    throw error
  }
}

/** How much the segments of a folder hold, read or not. */
export async function spoolDepth(folder: string): Promise<{ segments: number; bytes: number }> {
  const depth = { segments: 0, bytes: 0 }
  for (const name of await segmentsIn(folder)) {
    const size = await stat(join(folder, name)).then(
      (found) => found.size,
      () => undefined,
    )
    // The recorder may have deleted it in between.
    if (size === undefined) continue
    depth.segments += 1
    depth.bytes += size
  }
  return depth
}

function parsed(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString('utf8'))
  } catch {
    return undefined
  }
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value)
