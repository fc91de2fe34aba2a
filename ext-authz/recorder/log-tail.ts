import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type LogFile, logFiles } from './log-files.ts'
import { BEGINNING, type LogCursor, type LogLine, type OpenFile, openFile } from './open-log.ts'

/** What a look at the log gave. */
export interface LogChunk {
  readonly lines: readonly LogLine[]
  /** Where the log stands behind one of the lines. */
  readonly cursorAt: (line: LogLine) => LogCursor
  /** Where it stands behind all of the chunk. Undefined: as after the last line. */
  readonly next: LogCursor | undefined
  /** Epoch µs: the chunk ends the log of an Envoy that had ended then. */
  readonly ended: number | undefined
  /** True where the log has nothing more now. */
  readonly atEnd: boolean
  /** True where another look may at once give more. */
  readonly more: boolean
}

/** What is told as it happens: a file that a cursor named is gone, or became shorter. */
export type LogTrouble = 'gone' | 'shorter'

export interface LogTailOptions {
  readonly folder: string
  readonly from: LogCursor | undefined
  /** Epoch ms. */
  readonly now: () => number
  readonly trouble: (kind: LogTrouble, file: string) => void
}

/** How long a rotated file must not have grown, ms: its Envoy writes 100 ms after a request at the latest. */
const SETTLED_MS = 1_000

/** Reads Envoy's access log through all its renamings, a chunk at a time, and knows when an Envoy has ended. */
export class LogTail {
  readonly #folder: string
  readonly #now: () => number
  readonly #trouble: LogTailOptions['trouble']
  #from: LogCursor | undefined
  #file: OpenFile | undefined

  constructor({ folder, from, now, trouble }: LogTailOptions) {
    this.#folder = folder
    this.#from = from
    this.#now = now
    this.#trouble = trouble
  }

  /** Next lines, at most 1 MiB. Rejects with faults of the system; the same call may be repeated. */
  async read(): Promise<LogChunk> {
    const file = this.#file ?? (await this.#resume())
    if (file === undefined) return nothing({ atEnd: true })
    if (file === 'renaming') return nothing({})
    this.#file = file
    const lines = await file.lines()
    if (lines.length > 0) return chunk(file, lines, { more: true })
    if (file.inLongLine) return nothing({ more: true })
    return this.#endOf(file)
  }

  /** Deletes the renamed files that lie before a cursor which is safe on disk. */
  async deleteBefore({ file }: LogCursor): Promise<void> {
    const files = (await logFiles(this.#folder)) ?? []
    const at = files.findIndex(({ identity }) => identity === file)
    for (const { name, old } of files.slice(0, Math.max(at, 0))) {
      if (old !== undefined) await rm(join(this.#folder, name), { force: true })
    }
  }

  /** Bytes of the log that were not read. */
  async behind(): Promise<number> {
    const files = (await logFiles(this.#folder)) ?? []
    const at = files.findIndex(({ identity }) => identity === this.#file?.identity)
    const size = files.slice(Math.max(at, 0)).reduce((sum, file) => sum + file.size, 0)
    return Math.max(size - (at === -1 ? 0 : (this.#file?.offset ?? 0)), 0)
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  /** No whole line follows: the file ends here, or more will come. */
  async #endOf(file: OpenFile): Promise<LogChunk> {
    const files = await logFiles(this.#folder)
    if (files === undefined) return nothing({})
    const at = files.findIndex(({ identity }) => identity === file.identity)
    const self = files[at]
    const next = files[at + 1]
    // Somebody removed the live log: what Envoy still writes to it can be read here, until it opens a new one.
    if (self === undefined && files.every(({ old }) => old !== undefined)) return nothing({ atEnd: true })
    if (self === undefined) {
      this.#trouble('gone', file.name)
    } else if (self.size < file.offset) {
      this.#trouble('shorter', self.name)
      file.restart()
      return nothing({ more: true })
    } else if (next === undefined) {
      return nothing({ atEnd: true })
    } else if (self.size > file.seen) {
      // It grew between the look into it and the look at its name.
      return nothing({ more: true })
    } else if (!this.#isWhole(self)) {
      return nothing({})
    }
    return this.#passOn(file, self, next)
  }

  /** An Envoy that was told to open its log anew may still have written to the old one until the new one was there. */
  #isWhole({ old, grewAt }: LogFile): boolean {
    return old?.ended === true || Math.abs(this.#now() - grewAt) >= SETTLED_MS
  }

  async #passOn(file: OpenFile, self: LogFile | undefined, next: LogFile | undefined): Promise<LogChunk> {
    const opened = next === undefined ? undefined : await openFile(this.#folder, next)
    // It was renamed in this moment: the next look finds it.
    if (opened === undefined && self !== undefined) return nothing({})
    this.#file = opened
    const rest = file.rest()
    await file.close()
    return chunk(file, rest === undefined ? [] : [rest], {
      next: opened === undefined ? undefined : { file: opened.identity, ...BEGINNING },
      ended: self?.old?.ended === true ? self.old.epochMs * 1000 : undefined,
      more: true,
    })
  }

  /** Where the cursor says, or at the oldest file. */
  async #resume(): Promise<OpenFile | 'renaming' | undefined> {
    const files = await logFiles(this.#folder)
    if (files === undefined) return 'renaming'
    const from = this.#from
    const wanted = from === undefined ? files[0] : files.find(({ identity }) => identity === from.file)
    const file = wanted === undefined ? undefined : await openFile(this.#folder, wanted)
    if (wanted !== undefined && file === undefined) return 'renaming'
    this.#from = undefined
    if (from === undefined || (await file?.seek(from))) return file
    await file?.close()
    this.#trouble('gone', wanted?.name ?? 'the file that was being read')
    return this.#resume()
  }
}

type Rest = Partial<Pick<LogChunk, 'next' | 'ended' | 'atEnd' | 'more'>>

function chunk(file: OpenFile, lines: readonly LogLine[], rest: Rest): LogChunk {
  const { next, ended, atEnd = false, more = false } = rest
  return { lines, cursorAt: (line) => file.cursorAt(line), next, ended, atEnd, more }
}

const nothing = (rest: Rest): LogChunk => ({
  lines: [],
  cursorAt: () => {
    throw new Error('a chunk without lines has no line to stand behind')
  },
  next: undefined,
  ended: undefined,
  atEnd: rest.atEnd ?? false,
  more: rest.more ?? false,
})
