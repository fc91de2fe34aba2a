import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { BATCH_FILE, readBatch } from '../../recorder/batch-file.ts'
import { LETTERS_FOLDER, readLetters } from '../../recorder/dead-letters.ts'
import type { RowKey } from '../../store/errors.ts'
import { NO_ROOT } from '../roots.ts'
import type { KnownHead } from './chain.ts'

/** What a recorder on this machine knows, and PostgreSQL cannot make it forget. */
export interface RecorderKnowledge {
  /** Newest batches that it wrote for certain. */
  readonly heads: readonly KnownHead[]
  /** Rows that PostgreSQL refused and that wait in its dead letters, by {@link parkedKey}. */
  readonly parked: ReadonlySet<string>
}

/** Name of a row among the parked ones. */
export const parkedKey = ({ timestamp, id }: RowKey): string => `${timestamp} ${id}`

/** Asks the folder of a recorder, running or not; knows nothing where there is none. Throws, naming the file, where one was changed. */
export async function askRecorder(folder: string): Promise<RecorderKnowledge> {
  return { heads: await headsIn(folder), parked: await parkedIn(join(folder, LETTERS_FOLDER)) }
}

/** The batch that is kept may be on its way still; the one before it is in PostgreSQL. */
async function headsIn(folder: string): Promise<readonly KnownHead[]> {
  const kept = await readBatch(join(folder, BATCH_FILE))
  if (kept === undefined) return []
  if (!('root' in kept)) return headOf(kept.after.number, kept.after.root)
  return headOf(kept.root.number - 1, kept.root.previous)
}

const headOf = (number: number, root: Buffer): readonly KnownHead[] =>
  number === 0 || root.equals(NO_ROOT) ? [] : [{ number, root }]

async function parkedIn(folder: string): Promise<ReadonlySet<string>> {
  const parked = new Set<string>()
  const there = await stat(folder).then(
    () => true,
    () => false,
  )
  if (!there) return parked
  for await (const { entry } of readLetters(folder, () => undefined)) parked.add(parkedKey(entry))
  return parked
}
