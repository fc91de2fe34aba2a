import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Base, writeBase } from './base.ts'
import { isFull, openIfThere } from './files.ts'
import { FrameReader } from './frame-reader.ts'
import type { SpoolPosition } from './reader.ts'
import { previousOf } from './record.ts'
import { segmentsIn } from './segment.ts'

/** See {@link SpoolReader.deleteBefore}. */
export async function deleteSegmentsBefore(folder: string, position: SpoolPosition): Promise<void> {
  const names = await segmentsIn(folder)
  const older = names.filter((name) => name < position.segment)
  const at = names.includes(position.segment) ? await lookAt(folder, position) : undefined
  if (at === undefined) return remove(folder, older)
  if (!at.isEnd) return older.length === 0 ? undefined : removeFrom(folder, older, at.base)
  return removeFrom(folder, [...older, position.segment], at.base)
}

/** Writes the base, then removes the segments: a writer that finds none goes on from the base. */
async function removeFrom(folder: string, names: readonly string[], rest: Omit<Base, 'segment'>): Promise<void> {
  const base = { ...rest, segment: names.at(-1) ?? '' }
  if (await isWritten(folder, base)) return remove(folder, names)
  // A full disk: the newest stays, it says the same, until the others have made room.
  await remove(folder, names.slice(0, -1))
  if (await isWritten(folder, base)) await remove(folder, names.slice(-1))
}

/** Where the spool begins when the segments before a position are gone; `isEnd` where its own segment holds no more than its footer. */
async function lookAt(
  folder: string,
  { segment, offset }: SpoolPosition,
): Promise<{ isEnd: boolean; base: Omit<Base, 'segment'> } | undefined> {
  await using handle = await openIfThere(join(folder, segment))
  const header = handle === undefined ? undefined : await FrameReader.header(handle)
  if (handle === undefined || header === undefined) return undefined
  const found = await new FrameReader(handle, offset).next()
  if (found === 'short' || found === 'bad' || found.frame.kind !== 'end') {
    return { isEnd: false, base: { next: header.first, last: header.previous } }
  }
  const { frame, bytes } = found
  return { isEnd: true, base: { next: frame.sequence, last: previousOf(bytes, frame.start) } }
}

async function isWritten(folder: string, base: Base): Promise<boolean> {
  try {
    await writeBase(folder, base)
    return true
  } catch (error) {
    if (isFull(error)) return false
    throw error
  }
}

async function remove(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(folder, name), { force: true })
}
