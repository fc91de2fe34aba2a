import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeDurably } from '../durable-file.ts'
import { type Digest, digestFrom, hexOf, isDigestText } from './digest.ts'
import { isCode } from './files.ts'

const NAME = 'deleted.json'

/** Where a spool begins after segments were deleted from its front. */
export interface Base {
  /** Sequence number of the first record that was not deleted. */
  readonly next: number
  /** Hash of the last record that was. */
  readonly last: Digest
  /** Name of the newest segment that was. */
  readonly segment: string
}

/** The base of a spool's folder; undefined where nothing was ever deleted, `damaged` where the file says nothing. */
export async function readBase(folder: string): Promise<Base | 'damaged' | undefined> {
  try {
    return baseIn(JSON.parse(await readFile(join(folder, NAME), 'utf8'))) ?? 'damaged'
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    if (error instanceof SyntaxError) return 'damaged'
    throw error
  }
}

/** By hand, as a segment's header is. */
function baseIn(value: unknown): Base | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { v, next, last, segment }: Readonly<Record<string, unknown>> = { ...value }
  if (v !== 1 || typeof segment !== 'string' || !isDigestText(last)) return undefined
  if (typeof next !== 'number' || !Number.isSafeInteger(next) || next < 1) return undefined
  return { next, last: digestFrom(last), segment }
}

/** Makes it the folder's base, on the disk before this returns: segments are deleted afterwards. */
export async function writeBase(folder: string, { next, last, segment }: Base): Promise<void> {
  await writeDurably(join(folder, NAME), JSON.stringify({ v: 1, next, last: hexOf(last), segment }))
}
