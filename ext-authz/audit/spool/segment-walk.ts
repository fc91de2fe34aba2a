import type { FileHandle } from 'node:fs/promises'
import { type Digest, hexOf } from './digest.ts'
import type { SpoolFault, SpoolFaultKind } from './fault.ts'
import { type FileFrame, FrameReader } from './frame-reader.ts'
import { jsonOf, payloadHash, previousOf } from './record.ts'
import type { FoundHeader } from './segment.ts'

/** A segment to walk. */
export interface Leg {
  readonly name: string
  readonly header: FoundHeader
  /** Where the segment behind it begins; undefined for the newest. */
  readonly newerFirst: number | undefined
  /** Is told of every record. */
  readonly onRecord: (sequence: number, hash: Digest) => void
}

/** What the segment behind must go on from. */
export interface LegEnd {
  readonly next: number
  /** Undefined where damage leaves it open. */
  readonly last: Digest | undefined
}

/** Where the walk of a segment stands. */
interface Step {
  /** Sequence number of the next record; undefined behind damage. */
  next: number | undefined
  /** Hash of the record before; undefined behind damage. */
  last: Digest | undefined
  /** Where a segment that was rewritten after a failed sync leaves this one. */
  fork: Digest | undefined
}

/** Walks the records of one segment and names every fault. Returns what the next one must go on from. */
export async function* walkSegment(handle: FileHandle, leg: Leg): AsyncGenerator<SpoolFault, LegEnd> {
  const reader = new FrameReader(handle, leg.header.end)
  const step: Step = { next: leg.header.first, last: leg.header.hash, fork: undefined }
  let known = leg.header.first
  let hasFooter = false
  for (;;) {
    const start = reader.offset
    const found = await reader.next()
    if (found === 'short' || found === 'bad') {
      if (!(await reader.search())) {
        yield* tail(handle, leg, { offset: start, next: known, isShort: found === 'short' })
        break
      }
      yield fault(leg, 'damaged-record', start, known, ['a record', `bytes up to ${reader.offset} that are none`])
      Object.assign(step, { next: undefined, last: undefined })
      continue
    }
    hasFooter = found.frame.kind === 'end'
    known = hasFooter ? found.frame.sequence : found.frame.sequence + 1
    if (hasFooter) {
      yield* footer(handle, leg, step, found)
      break
    }
    yield* record(leg, step, found)
  }
  return endOf(leg, step, known, hasFooter)
}

function endOf({ newerFirst }: Leg, { last, fork }: Step, next: number, hasFooter: boolean): LegEnd {
  // The segment behind repeats the end of this one: it was rewritten, and what stands here may be gone.
  if (newerFirst !== undefined && newerFirst < next) return { next: newerFirst, last: fork }
  // The records between were missed already.
  if (newerFirst !== undefined && newerFirst > next && !hasFooter) return { next: newerFirst, last: undefined }
  return { next, last }
}

function* record(leg: Leg, step: Step, { frame, bytes, start }: FileFrame): Generator<SpoolFault> {
  const { sequence } = frame
  const previous = previousOf(bytes, frame.start)
  const { next, last } = step
  if (next !== undefined && sequence > next) {
    yield fault(leg, 'missing-record', start, next, [`record ${next}`, `record ${sequence}`])
  } else if (next !== undefined && sequence < next) {
    yield fault(leg, 'broken-chain', start, next, [`record ${next}`, `record ${sequence}`])
  } else if (last !== undefined && previous !== last) {
    const kind = sequence === leg.header.first ? 'bad-header' : 'broken-chain'
    yield fault(leg, kind, start, sequence, [hashText(last), hashText(previous)])
  }
  step.next = sequence + 1
  step.last = payloadHash(bytes, frame.start)
  if (sequence + 1 === leg.newerFirst) step.fork = step.last
  leg.onRecord(sequence, step.last)
}

/** The footer's count, its place in sequence and chain, and that nothing follows. */
async function* footer(handle: FileHandle, leg: Leg, step: Step, found: FileFrame): AsyncGenerator<SpoolFault> {
  const { frame, bytes, start, end } = found
  const { sequence } = frame
  const previous = previousOf(bytes, frame.start)
  const json = jsonOf(bytes, frame).toString('utf8')
  const whole = JSON.stringify({ count: sequence - leg.header.first })
  const { size } = await handle.stat()
  if (step.next !== undefined && step.next !== sequence) {
    yield fault(leg, 'missing-record', start, step.next, [`record ${step.next}`, `the end, before ${sequence}`])
  } else if (step.last !== undefined && previous !== step.last) {
    yield fault(leg, 'broken-chain', start, sequence, [hashText(step.last), hashText(previous)])
  } else if (json !== whole) yield fault(leg, 'wrong-footer', start, sequence, [whole, json])
  if (end !== size) yield fault(leg, 'wrong-footer', end, sequence, ['the end of the file', `${size - end} bytes more`])
  // The segment behind is held against what this one says.
  step.last = previous
}

/** The end of a segment without a footer. */
async function* tail(
  handle: FileHandle,
  leg: Leg,
  { offset, next, isShort }: { offset: number; next: number; isShort: boolean },
): AsyncGenerator<SpoolFault> {
  const { newerFirst } = leg
  const rest = (await handle.stat()).size - offset
  const bytes = `${rest} bytes that are no record`
  if (newerFirst !== undefined && newerFirst > next) {
    const found = rest === 0 ? 'the end of the file' : bytes
    yield fault(leg, 'truncated-tail', offset, next, [`records up to ${newerFirst - 1}`, found])
  } else if (rest > 0 && newerFirst === next) {
    yield fault(leg, 'wrong-footer', offset, next, ['a footer', bytes])
  } else if (rest > 0 && newerFirst === undefined) {
    const isTorn = isShort || (await isZero(handle, offset))
    yield fault(leg, isTorn ? 'torn-tail' : 'damaged-record', offset, next, ['a record or the footer', bytes])
  }
}

/** A tail that the system had promised and not written when the power failed. */
async function isZero(handle: FileHandle, from: number): Promise<boolean> {
  const chunk = Buffer.alloc(2 ** 16)
  for (let at = from; ; ) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) return true
    if (chunk.subarray(0, bytesRead).some((byte) => byte !== 0)) return false
    at += bytesRead
  }
}

function fault(
  { name }: Pick<Leg, 'name'>,
  kind: SpoolFaultKind,
  offset: number,
  sequence: number,
  [expected, found]: readonly [string, string],
): SpoolFault {
  return { kind, segment: name, offset, sequence, expected, found }
}

function hashText(hash: Digest): string {
  return `hash ${hexOf(hash)}`
}
