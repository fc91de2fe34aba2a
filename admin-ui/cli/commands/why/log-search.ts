import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LIVE_LOG, oldLog } from '../../../../runtime/access-log-names.ts'

const NEWLINE = 10
const CHUNK_BYTES = 1_048_576

/** What a search looked through, bytes. */
export interface Searched<T> {
  readonly found: readonly T[]
  readonly bytes: number
}

/** The last lines of Envoy's access log that hold `text`, oldest first, at most `most`. Reads the newest `mostBytes` of its files, no more. */
export async function linesWith(
  folder: string,
  text: string,
  { most, mostBytes }: { readonly most: number; readonly mostBytes: number },
): Promise<Searched<Buffer>> {
  let found: readonly Buffer[] = []
  let bytes = 0
  for (const name of await newestFirst(folder)) {
    if (bytes >= mostBytes || found.length >= most) break
    const file = join(folder, name)
    // Renamed or deleted meanwhile: its lines are in another file, or in PostgreSQL.
    const size = await stat(file).then(
      (info) => info.size,
      () => 0,
    )
    const start = Math.max(0, size - (mostBytes - bytes))
    found = [...(await linesOf(file, start, size, text)), ...found].slice(-most)
    bytes += size - start
  }
  return { found, bytes }
}

async function newestFirst(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => [])
  const old = names.filter((name) => oldLog(name) !== undefined).sort()
  return [...old, ...names.filter((name) => name === LIVE_LOG)].toReversed()
}

async function linesOf(file: string, start: number, size: number, text: string): Promise<readonly Buffer[]> {
  if (size === start) return []
  const found: Buffer[] = []
  let rest = Buffer.of()
  for await (const chunk of createReadStream(file, { start, end: size - 1, highWaterMark: CHUNK_BYTES })) {
    const bytes = Buffer.concat([rest, chunk])
    const whole = bytes.lastIndexOf(NEWLINE) + 1
    if (bytes.includes(text)) found.push(...split(bytes.subarray(0, whole)).filter((line) => line.includes(text)))
    rest = bytes.subarray(whole)
    // No line is that long; what is there instead is not worth memory.
    if (rest.length > CHUNK_BYTES) rest = Buffer.of()
  }
  return found
}

function split(lines: Buffer): readonly Buffer[] {
  const found: Buffer[] = []
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf(NEWLINE, start)
    found.push(lines.subarray(start, end))
    start = end + 1
  }
  return found
}
