import { hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { identityOf, type LogFile, unlessMissing } from './log-files.ts'

/** A place in the log: everything before it has been dealt with. */
export interface LogCursor {
  /** Identity of the file (log-files.ts). */
  readonly file: string
  readonly offset: number
  /** Hex SHA-256 of the file's first bytes (at most 256, and not past `offset`): inodes are given again. */
  readonly head: string
}

export interface LogLine {
  /** Without its newline. Of a line that is too long its beginning. */
  readonly bytes: Buffer
  /** Offset behind its newline. */
  readonly end: number
  /** `torn`: the end of a file without a newline, its writer died. `long`: over {@link MAX_LINE_BYTES}. */
  readonly fault: 'torn' | 'long' | undefined
}

const CHUNK_BYTES = 1_048_576
/** What clients choose is cut (envoy/access-log.ts): a path of 8 KiB may be six times as long in JSON. */
export const MAX_LINE_BYTES = 65_536
const HEAD_BYTES = 256
const NEWLINE = 10

/** Undefined where the name is another file's by now. */
export async function openFile(folder: string, { name, identity }: LogFile): Promise<OpenFile | undefined> {
  const handle = await open(join(folder, name), 'r').catch(unlessMissing(undefined))
  if (handle === undefined) return undefined
  if (identityOf(await handle.stat()) === identity) return new OpenFile(handle, name, identity)
  await handle.close()
  return undefined
}

/** One file of the log, with the place up to which its lines were given. */
export class OpenFile {
  readonly name: string
  readonly identity: string
  readonly #handle: FileHandle
  offset = 0
  /** Where the last look into it ended. */
  seen = 0
  #head: Buffer = Buffer.alloc(0)
  /** What stands behind the last newline. */
  #rest: Buffer = Buffer.alloc(0)
  /** The beginning of a line that does not end within a chunk. */
  #long: Buffer | undefined

  constructor(handle: FileHandle, name: string, identity: string) {
    this.#handle = handle
    this.name = name
    this.identity = identity
  }

  get inLongLine(): boolean {
    return this.#long !== undefined && this.#rest.length > 0
  }

  /** Whole lines behind the last ones. */
  async lines(): Promise<LogLine[]> {
    const from = this.#long === undefined ? this.offset : this.seen
    const bytes = await this.#bytesAt(from, CHUNK_BYTES)
    if (this.#head.length < HEAD_BYTES) this.#head = await this.#bytesAt(0, HEAD_BYTES)
    this.seen = from + bytes.length
    const lines: LogLine[] = []
    let begin = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, begin)) {
      lines.push(this.#line(bytes.subarray(begin, end), from + end + 1))
      begin = end + 1
    }
    this.#rest = bytes.subarray(begin)
    if (lines.length === 0 && bytes.length === CHUNK_BYTES) this.#long ??= bytes.subarray(0, MAX_LINE_BYTES)
    this.offset = lines.at(-1)?.end ?? this.offset
    return lines
  }

  /** What stands at the end of a finished file without a newline. */
  rest(): LogLine | undefined {
    const bytes = this.#long ?? this.#rest
    return bytes.length === 0 ? undefined : { bytes, end: this.seen, fault: 'torn' }
  }

  cursorAt({ end }: LogLine): LogCursor {
    return { file: this.identity, offset: end, head: headOf(this.#head.subarray(0, end)) }
  }

  /** Goes on at a cursor; false where this is another file that has got its inode. */
  async seek({ offset, head }: LogCursor): Promise<boolean> {
    this.#head = await this.#bytesAt(0, HEAD_BYTES)
    if (headOf(this.#head.subarray(0, offset)) !== head) return false
    this.offset = offset
    this.seen = offset
    return true
  }

  /** Reads the file from its beginning again. */
  restart(): void {
    this.offset = 0
    this.seen = 0
    this.#head = Buffer.alloc(0)
    this.#long = undefined
  }

  close(): Promise<void> {
    return this.#handle.close()
  }

  #line(bytes: Buffer, end: number): LogLine {
    const long = this.#long
    this.#long = undefined
    if (long !== undefined) return { bytes: long, end, fault: 'long' }
    const fits = bytes.length <= MAX_LINE_BYTES
    return { bytes: fits ? bytes : bytes.subarray(0, MAX_LINE_BYTES), end, fault: fits ? undefined : 'long' }
  }

  async #bytesAt(position: number, atMost: number): Promise<Buffer> {
    const { size } = await this.#handle.stat()
    const length = Math.min(Math.max(size - position, 0), atMost)
    if (length === 0) return Buffer.alloc(0)
    const { bytesRead, buffer } = await this.#handle.read(Buffer.allocUnsafe(length), 0, length, position)
    return buffer.subarray(0, bytesRead)
  }
}

function headOf(bytes: Buffer): string {
  return hash('sha256', bytes.subarray(0, HEAD_BYTES), 'hex')
}

/** Where every file begins. */
export const BEGINNING: Omit<LogCursor, 'file'> = { offset: 0, head: headOf(Buffer.alloc(0)) }
