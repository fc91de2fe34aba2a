import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { DecisionHalf } from '../../../../ext-authz/audit/projection.ts'
import { SpoolReader } from '../../../../ext-authz/audit/spool/reader.ts'
import { segmentsIn } from '../../../../ext-authz/audit/spool/segment.ts'
import type { Searched } from './log-search.ts'

const READ = { records: 1_000, bytes: 1_048_576 }

/**
 * The last decisions in the spools of all workers that hold `text`, at most `most`, those of one worker in order. Reads the newest
 * segments of each worker up to its share of `mostBytes`, and one segment at least.
 */
export async function decisionsWith(
  folder: string,
  text: string,
  { most, mostBytes }: { readonly most: number; readonly mostBytes: number },
): Promise<Searched<DecisionHalf>> {
  const workers = (await readdir(folder).catch(() => [])).filter((name) => /^\d{1,4}$/.test(name)).sort()
  const share = mostBytes / Math.max(workers.length, 1)
  const found: DecisionHalf[] = []
  let bytes = 0
  for (const worker of workers) {
    const ofWorker = await decisionsOf(join(folder, worker), text, share)
    found.push(...ofWorker.found.slice(-most))
    bytes += ofWorker.bytes
  }
  return { found, bytes }
}

async function decisionsOf(folder: string, text: string, share: number): Promise<Searched<DecisionHalf>> {
  const first = await oldestWithin(folder, share)
  if (first === undefined) return { found: [], bytes: 0 }
  const reader = new SpoolReader(folder, { segment: first, offset: 0 })
  const found: DecisionHalf[] = []
  // A worker may write on while this reads: what is longer than twice the share is for the next look.
  for (let bytes = 0; ; ) {
    const records = await reader.read(READ)
    if (records.length === 0 || bytes > 2 * share) return { found, bytes }
    for (const { event, kind, json } of records) {
      bytes += json.length
      if (kind === 'decision' && json.includes(text)) found.push({ json, event })
    }
  }
}

/** The oldest of the newest segments that are no more than `share` together. */
async function oldestWithin(folder: string, share: number): Promise<string | undefined> {
  let [oldest, bytes]: [string | undefined, number] = [undefined, 0]
  for (const name of (await segmentsIn(folder)).toReversed()) {
    // The recorder may have deleted it in between.
    bytes += await stat(join(folder, name)).then(
      (info) => info.size,
      () => 0,
    )
    if (oldest !== undefined && bytes > share) break
    oldest = name
  }
  return oldest
}
