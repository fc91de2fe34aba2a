import { type FileHandle, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../../runtime/log.ts'
import { readBase } from './base.ts'
import { type Digest, NO_DIGEST } from './digest.ts'
import { openIfThere } from './files.ts'
import { FrameReader } from './frame-reader.ts'
import { frameOf, payloadHash, previousOf } from './record.ts'
import { type FoundHeader, segmentsIn } from './segment.ts'

/** Half a record that was cut off is kept beside its segment up to this length. */
const MAX_TORN_BYTES = 2 ** 20

/** Where a spool goes on after its predecessor. */
export interface Mended {
  /** Sequence number of the next record. */
  readonly next: number
  /** Hash of the last one. */
  readonly last: Digest
  /** Bytes that were cut off. */
  readonly tornBytes: number
}

/** The good part of a segment. */
interface Good {
  readonly end: number
  readonly next: number
  readonly last: Digest
  readonly hasFooter: boolean
}

/**
 * Mends what a predecessor that was killed left in a spool's folder: cuts half a record off the last segment, ends it, and says where to
 * go on. Damage in the middle stays for readers to report. A folder without any segment begins at the epoch µs, so that the numbers of
 * one that was wiped never come again. Needs no room on the disk. Rejects where the folder cannot be read or the segment not be cut.
 */
export async function mend(options: {
  readonly folder: string
  readonly log: Log
  readonly now: () => number
}): Promise<Mended> {
  const { folder, log } = options
  await removeUnfinished(folder)
  let tornBytes = 0
  let good: Pick<Good, 'next' | 'last'> | undefined
  for (const name of (await segmentsIn(folder)).toReversed()) {
    const mended = await mendSegment(join(folder, name), log)
    tornBytes += mended?.tornBytes ?? 0
    good = mended?.good
    if (good !== undefined) break
  }
  const base = await readBase(folder)
  if (base === 'damaged') log.error({ folder }, 'what says where the segments of this spool begin is damaged')
  else good ??= base
  const { next, last } = good ?? { next: Math.max(1, Math.floor(options.now() * 1000)), last: NO_DIGEST }
  return { next, last, tornBytes }
}

/** Undefined where the segment is gone in the meantime; no `good` where it held no record and was removed. */
async function mendSegment(file: string, log: Log): Promise<{ tornBytes: number; good: Good | undefined } | undefined> {
  await using handle = await openIfThere(file, 'r+')
  if (handle === undefined) return undefined
  const header = await FrameReader.header(handle)
  const good = await goodPart(handle, header)
  const { size } = await handle.stat()
  const tornBytes = size - (good?.end ?? header?.end ?? 0)
  if (tornBytes > 0) {
    log.warn({ file, bytes: tornBytes }, 'a predecessor left half a record; it is cut off')
    await keepTail(handle, file, size - tornBytes, tornBytes)
  }
  if (good === undefined) await rm(file, { force: true })
  else if (tornBytes > 0 || !good.hasFooter) await endAt(handle, good, header)
  return { tornBytes, good }
}

async function goodPart(handle: FileHandle, header: FoundHeader | undefined): Promise<Good | undefined> {
  const reader = new FrameReader(handle, header?.end ?? 0)
  let good: Good | undefined
  for (let found = await reader.whole(); found !== undefined; found = await reader.whole()) {
    const { frame, bytes, end } = found
    if (frame.kind === 'end') {
      return { end, next: frame.sequence, last: previousOf(bytes, frame.start), hasFooter: true }
    }
    good = { end, next: frame.sequence + 1, last: payloadHash(bytes, frame.start), hasFooter: false }
  }
  return good
}

/** Cuts the segment after its good part and sees that it has a footer; on a full disk it does without. */
async function endAt(
  handle: FileHandle,
  { end, next, last, hasFooter }: Good,
  header: FoundHeader | undefined,
): Promise<void> {
  await handle.truncate(end)
  if (header !== undefined && !hasFooter) {
    const { bytes } = frameOf('end', next, last, JSON.stringify({ count: next - header.first }))
    const written = await handle.write(bytes, 0, bytes.length, end).catch(() => ({ bytesWritten: 0 }))
    if (written.bytesWritten < bytes.length) await handle.truncate(end)
  }
  await handle.datasync()
}

/** Nothing depends on it: it is for people who want to know what was in it. */
async function keepTail(handle: FileHandle, file: string, from: number, length: number): Promise<void> {
  const tail = Buffer.alloc(Math.min(length, MAX_TORN_BYTES))
  await handle.read(tail, 0, tail.length, from)
  if (length > MAX_TORN_BYTES || tail.every((byte) => byte === 0)) return
  await writeFile(`${file}.torn`, tail, { mode: 0o600 }).catch(() => rm(`${file}.torn`, { force: true }))
}

/** Segments that were never given their name: no record of them was told to be written. */
async function removeUnfinished(folder: string): Promise<void> {
  const left = (await readdir(folder)).filter((name) => name.endsWith('.seg.new'))
  for (const name of left) await rm(join(folder, name), { force: true })
}
