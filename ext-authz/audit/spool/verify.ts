import { join } from 'node:path'
import { type Base, readBase } from './base.ts'
import { type Digest, hexOf } from './digest.ts'
import type { SpoolFault } from './fault.ts'
import { openIfThere } from './files.ts'
import { FrameReader } from './frame-reader.ts'
import { type FoundHeader, firstIn, segmentsIn } from './segment.ts'
import { walkSegment } from './segment-walk.ts'

/** The last record that somebody outside knows of: with it, a newest segment that was cut at a record's end is found out. */
export interface KnownEnd {
  readonly sequence: number
  /** SHA-256 of its payload. */
  readonly hash: Buffer
}

/** What the next segment must go on from; undefined: from anything. */
interface Walk {
  readonly next: number | undefined
  readonly last: Digest | undefined
}

/** What became of the record that is known. */
interface Known {
  readonly end: KnownEnd | undefined
  found: Digest | undefined
}

/**
 * Walks all segments of one worker's spool and names every fault: flipped byte, deleted record, swapped or missing segment, truncated
 * tail, changed header. Nothing for a clean spool, also where a reader has deleted from the front. Memory does not grow with the spool.
 * Rejects with the system's error where the folder cannot be read.
 */
export async function* verifySpool(folder: string, knownEnd?: KnownEnd): AsyncGenerator<SpoolFault> {
  const names = await segmentsIn(folder)
  const base = await readBase(folder)
  if (base === 'damaged') {
    yield {
      kind: 'bad-base',
      segment: names[0] ?? '',
      offset: 0,
      sequence: 0,
      expected: 'where it begins',
      found: 'no sense',
    }
  }
  const known: Known = { end: knownEnd, found: undefined }
  const isLeft = base !== undefined && base !== 'damaged' && firstIn(names[0] ?? '') < base.next
  // A deletion that was cut short leaves segments from before the base.
  let walk = isLeft ? startOf(undefined) : startOf(base)
  for (const [n, name] of names.entries()) walk = yield* leg(folder, { name, newer: names[n + 1] }, walk, known)
  yield* endFault(known, names.at(-1) ?? '', names[0], walk)
}

/** Walks one segment; returns what the next must go on from. */
async function* leg(
  folder: string,
  { name, newer }: { name: string; newer: string | undefined },
  walk: Walk,
  known: Known,
): AsyncGenerator<SpoolFault, Walk> {
  await using handle = await openIfThere(join(folder, name))
  // A reader has deleted it meanwhile: what it leaves is held against the base that it wrote.
  if (handle === undefined) return startOf(await readBase(folder))
  const header = await FrameReader.header(handle)
  const newerFirst = newer === undefined ? undefined : firstIn(newer)
  if (header === undefined) {
    const expected = 'a segment that begins with its header'
    yield { kind: 'bad-header', segment: name, offset: 0, sequence: firstIn(name), expected, found: 'none' }
    return { next: newerFirst, last: undefined }
  }
  const isSwapped = header.first !== firstIn(name)
  yield* isSwapped ? swapped(name, header) : entry(name, header, walk)
  const onRecord = (sequence: number, hash: Digest) => {
    if (sequence === known.end?.sequence) known.found = hash
  }
  const end = yield* walkSegment(handle, { name, header, newerFirst: isSwapped ? undefined : newerFirst, onRecord })
  return isSwapped ? { next: undefined, last: undefined } : end
}

function* swapped(segment: string, { first }: FoundHeader): Generator<SpoolFault> {
  const sequence = firstIn(segment)
  const expected = `a segment that begins with record ${sequence}`
  yield { kind: 'swapped-segment', segment, offset: 0, sequence, expected, found: `one that begins with ${first}` }
}

function* entry(segment: string, { first, previous }: FoundHeader, { next, last }: Walk): Generator<SpoolFault> {
  if (next !== undefined && first !== next) {
    const [expected, found] = [`a segment that begins with record ${next}`, `one that begins with ${first}`]
    yield { kind: 'missing-segment', segment, offset: 0, sequence: next, expected, found }
  } else if (last !== undefined && previous !== last) {
    const [expected, found] = [last, previous].map((hash) => `hash ${hexOf(hash)}`)
    yield { kind: 'broken-chain', segment, offset: 0, sequence: first, expected: expected ?? '', found: found ?? '' }
  }
}

function* endFault(
  { end, found }: Known,
  segment: string,
  oldest: string | undefined,
  { next = 0 }: Walk,
): Generator<SpoolFault> {
  // One from before the oldest segment was deleted after it was read.
  if (end === undefined || (oldest !== undefined && end.sequence < firstIn(oldest))) return
  if (found === end.hash.toString('latin1') || (oldest === undefined && end.sequence < next)) return
  const { sequence, hash } = end
  const expected = `record ${sequence} with hash ${hash.toString('hex')}`
  const kind = found === undefined ? 'truncated-tail' : 'broken-chain'
  yield { kind, segment, offset: 0, sequence, expected, found: found === undefined ? 'none' : hexOf(found) }
}

function startOf(base: Base | 'damaged' | undefined): Walk {
  return base === undefined || base === 'damaged' ? { next: undefined, last: undefined } : base
}
