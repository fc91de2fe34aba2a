import { appendFileSync, existsSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Bytes after which a log file becomes `.1` (the former `.1` is gone): a part keeps two files of this size at most. */
const MAX_BYTES = 16 * 1024 * 1024
/** Longest line that is kept whole; a part that writes without line breaks must not fill memory. */
const MAX_LINE = 64 * 1024
const TAIL_LINES = 15

/** Where one part's output goes: a file for all of it, memory for the last lines, an observer for each. */
export interface PartLog {
  /** Takes what a stream of the part gave. */
  write(text: string): void
  /** The last lines, for the message that says why it ended. */
  tail(): readonly string[]
}

/**
 * Opens the log of one part; each start of `up` appends to it. A file that cannot be written (disk full, folder removed) costs its lines
 * and nothing else: `troubled` is told when that begins and when it ends.
 */
export function openPartLog(
  file: string,
  onLine: (line: string) => void,
  troubled: (line: string) => void = () => undefined,
): PartLog {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  let size = sizeOf(file)
  let lost = 0
  let rest = ''
  const last: string[] = []

  function append(line: string): void {
    const bytes = Buffer.from(`${line}\n`)
    // Somebody may have removed the folder, to tidy up.
    if (!existsSync(file)) {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
      size = 0
    }
    if (size > 0 && size + bytes.length > MAX_BYTES) {
      renameSync(file, `${file}.1`)
      size = 0
    }
    appendFileSync(file, bytes, { mode: 0o600 })
    size += bytes.length
  }

  function keep(line: string): void {
    last.push(line)
    if (last.length > TAIL_LINES) last.shift()
    onLine(line)
    try {
      append(line)
      if (lost > 0) troubled(`${file}: written again; ${lost} lines are missing`)
      lost = 0
    } catch (error) {
      if (lost === 0) troubled(`${file}: lines are lost (${String(error)}); the part goes on`)
      lost += 1
    }
  }

  return {
    write: (text) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) keep(line.slice(0, MAX_LINE))
      if (rest.length > MAX_LINE) {
        keep(rest.slice(0, MAX_LINE))
        rest = ''
      }
    },
    tail: () => (rest === '' ? [...last] : [...last, rest]),
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}
