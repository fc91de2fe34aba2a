import type { Batch } from '../store/batch.ts'
import { PartitionMissing, RootTaken, RowRefused } from '../store/errors.ts'
import type { AuditWriter } from '../store/writer.ts'
import {
  type Letter,
  readLetterRoot,
  readLetters,
  removeLetter,
  removeSpareRoots,
  rowAnyway,
  rowLetter,
} from './dead-letters.ts'
import { batchOf, type Entry } from './entry.ts'

/** What became of the dead letters. */
export interface Replayed {
  /** Written now; their letters are gone. */
  readonly written: number
  /** Still refused, or there is a row with the key already; their letters stay. */
  readonly kept: readonly { readonly file: string; readonly why: string }[]
}

/**
 * Writes the rows in a folder of dead letters (`dead-letters` in the recorder's folder), one transaction each, in order of time; a letter
 * leaves the folder only after the commit (AU-8). Letters of unreadable log lines stay: they make no row. May run beside the
 * recorder. Rejects with StoreAway; what was written by then is done.
 */
export async function replayDeadLetters(folder: string, writer: AuditWriter): Promise<Replayed> {
  const kept: { file: string; why: string }[] = []
  let count = 0
  for await (const letter of readLetters(folder, (file, why) => kept.push({ file, why }))) {
    const why = await replayed(folder, letter, writer)
    if (why === undefined) count += 1
    else kept.push({ file: letter.file, why })
  }
  await removeSpareRoots(folder, Date.now())
  return { written: count, kept }
}

/** Undefined when it was written, else why not. */
async function replayed(folder: string, letter: Letter, writer: AuditWriter): Promise<string | undefined> {
  const why = await written(folder, letter, letter.entry, writer).catch(async (error: unknown) => {
    if (error instanceof RowRefused && letter.entry.kind === 'late') {
      if ((await rowLetter(folder, letter.entry)) !== undefined) return 'its row is still a dead letter'
      // No row waits for this completion: it makes one of its own.
      return undefined
    }
    return refusal(error)
  })
  const outcome = why ?? (await written(folder, letter, rowAnyway(letter.entry), writer).catch(refusal))
  if (outcome !== 'written') return outcome
  await removeLetter(folder, letter)
  return undefined
}

async function written(folder: string, letter: Letter, entry: Entry, writer: AuditWriter): Promise<string> {
  const root = await readLetterRoot(folder, letter.root)
  const batch: Batch = batchOf(letter.node, [entry], [], root)
  const { rows, completed } = await writer.write(batch)
  return rows + completed > 0 ? 'written' : 'there is a row with its key already'
}

function refusal(error: unknown): string {
  if (error instanceof RowRefused) return `${error.message} (${error.sqlstate})`
  if (error instanceof RootTaken) return error.message
  if (error instanceof PartitionMissing)
    return `no partition for ${error.months.join(', ')}: it was dropped, or the recorder has not made it`
  throw error
}
