import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SpoolReader } from '../audit/spool/reader.ts'
import { unlessMissing } from './log-files.ts'
import { type SpoolCursor, SpoolTail } from './spool-tail.ts'

/** Records that a spool had and that cannot be read any more. */
export interface SpoolGap {
  readonly spool: string
  readonly segment: string
  readonly offset: number
  readonly fromSequence: number | undefined
  readonly toSequence: number | undefined
}

/** The spools of all workers: each has a folder named by its number, and more may come. */
export class Spools {
  readonly #folder: string
  readonly #cursors: Readonly<Record<string, SpoolCursor>>
  readonly #gap: (gap: SpoolGap) => void
  readonly #tails = new Map<string, SpoolTail>()

  constructor(folder: string, cursors: Readonly<Record<string, SpoolCursor>>, gap: (gap: SpoolGap) => void) {
    this.#folder = folder
    this.#cursors = cursors
    this.#gap = gap
    for (const name of Object.keys(cursors)) this.#open(name)
  }

  get tails(): Iterable<SpoolTail> {
    return this.#tails.values()
  }

  /** Finds the folders of new workers. */
  async look(): Promise<void> {
    const names = await readdir(this.#folder).catch(unlessMissing([]))
    for (const name of names.filter((name) => /^\d{1,4}$/.test(name)).toSorted()) {
      if (!this.#tails.has(name)) this.#open(name)
    }
  }

  cursors(): Record<string, SpoolCursor> {
    return Object.fromEntries([...this.#tails].map(([name, tail]) => [name, tail.cursor()]))
  }

  /** Deletes segments before cursors that are safe on disk. */
  async deleteBefore(cursors: Readonly<Record<string, SpoolCursor>>): Promise<void> {
    for (const [name, cursor] of Object.entries(cursors)) await this.#tails.get(name)?.deleteBefore(cursor)
  }

  /** Bytes from the segments of the cursors on. */
  async behind(): Promise<number> {
    let sum = 0
    for (const [name, tail] of this.#tails) sum += await bytesFrom(join(this.#folder, name), tail.cursor())
    return sum
  }

  #open(name: string): void {
    const cursor = this.#cursors[name]
    const onGap = (gap: Omit<SpoolGap, 'spool'>) => this.#gap({ spool: name, ...gap })
    const reader = new SpoolReader(join(this.#folder, name), cursor?.start, { onGap })
    this.#tails.set(name, new SpoolTail(reader, cursor))
  }
}

async function bytesFrom(folder: string, { start }: SpoolCursor): Promise<number> {
  const names = await readdir(folder).catch(unlessMissing([]))
  const segments = names.filter((name) => name.endsWith('.seg') && name >= (start?.segment ?? ''))
  const sizes = await Promise.all(
    segments.map((name) => stat(join(folder, name)).then(({ size }) => size, unlessMissing(0))),
  )
  const read = start === undefined || !segments.includes(start.segment) ? 0 : start.offset
  return Math.max(sizes.reduce((sum, size) => sum + size, 0) - read, 0)
}
