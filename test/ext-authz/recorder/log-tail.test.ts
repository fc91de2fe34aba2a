import { appendFileSync, mkdtempSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { type LogChunk, LogTail, type LogTrouble } from '../../../ext-authz/recorder/log-tail.ts'
import { type LogCursor, MAX_LINE_BYTES } from '../../../ext-authz/recorder/open-log.ts'
import { endedLog, LIVE_LOG, rotatedLog } from '../../../runtime/access-log-names.ts'

/** Beyond the time that a rotated file must not have grown. */
const SETTLED_MS = 1_500

/** A log's folder, and what a tail has read in it. */
class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'sallyport-log-'))
  readonly lines: string[] = []
  readonly ended: number[] = []
  readonly trouble: LogTrouble[] = []
  cursor: LogCursor | undefined
  offset = 0
  #tail: LogTail | undefined

  constructor() {
    onTestFinished(async () => {
      await this.#tail?.close()
      rmSync(this.folder, { recursive: true })
    })
  }

  write(text: string, name: string = LIVE_LOG): void {
    appendFileSync(join(this.folder, name), text)
  }

  rename(to: string): void {
    renameSync(join(this.folder, LIVE_LOG), join(this.folder, to))
  }

  get tail(): LogTail {
    this.#tail ??= new LogTail({
      folder: this.folder,
      from: this.cursor,
      now: () => Date.now() + this.offset,
      trouble: (kind) => this.trouble.push(kind),
    })
    return this.#tail
  }

  /** As a new process would. */
  async restart(): Promise<void> {
    await this.#tail?.close()
    this.#tail = undefined
  }

  async look(): Promise<LogChunk> {
    const chunk = await this.tail.read()
    for (const line of chunk.lines) {
      this.lines.push(`${line.fault === undefined ? '' : `${line.fault}: `}${line.bytes.toString('utf8', 0, 40)}`)
      this.cursor = chunk.cursorAt(line)
    }
    if (chunk.next !== undefined) this.cursor = chunk.next
    if (chunk.ended !== undefined) this.ended.push(chunk.ended)
    return chunk
  }

  /** Looks until there is no more at once. */
  async drain(): Promise<LogChunk> {
    for (;;) {
      const chunk = await this.look()
      if (!chunk.more) return chunk
    }
  }
}

test('AU-1 lines come in order through all renamings, and an Envoy’s end comes behind its last line', async () => {
  const bench = new Bench()
  bench.write('a\nb\n')
  bench.rename(rotatedLog(1_000))
  bench.write('c\n')
  bench.rename(endedLog(2_000))
  bench.write('d\n')
  bench.offset = SETTLED_MS
  expect(await bench.drain()).toMatchObject({ atEnd: true })
  expect(bench.lines).toEqual(['a', 'b', 'c', 'd'])
  expect(bench.ended).toEqual([2_000_000])
})

test('AU-1 what Envoy writes to its log after the rename is read before the next file', async () => {
  const bench = new Bench()
  bench.write('a\n')
  await bench.drain()
  bench.rename(rotatedLog(1_000))
  bench.write('b\n', rotatedLog(1_000))
  expect(await bench.drain()).toMatchObject({ atEnd: true })
  bench.write('c\n', rotatedLog(1_000))
  bench.write('d\n')
  expect(await bench.drain(), 'it may still grow').toMatchObject({ atEnd: false, lines: [] })
  expect(bench.lines).toEqual(['a', 'b', 'c'])
  bench.offset = SETTLED_MS
  await bench.drain()
  expect(bench.lines).toEqual(['a', 'b', 'c', 'd'])
  expect(bench.ended).toEqual([])
})

test('AU-1 half a line is awaited in the live file, and put aside where its Envoy died', async () => {
  const bench = new Bench()
  bench.write('a\nhal')
  await bench.drain()
  expect(bench.lines).toEqual(['a'])
  bench.write('f\nto')
  await bench.drain()
  expect(bench.lines).toEqual(['a', 'half'])
  bench.rename(endedLog(1_000))
  bench.write('b\n')
  await bench.drain()
  expect(bench.lines).toEqual(['a', 'half', 'torn: to', 'b'])
  expect(bench.ended).toEqual([1_000_000])
})

test('AU-1 an Envoy that ended without a word is told too', async () => {
  const bench = new Bench()
  bench.write('', endedLog(1_000))
  bench.write('a\n')
  await bench.drain()
  expect([bench.lines, bench.ended]).toEqual([['a'], [1_000_000]])
})

test('AU-1 a line without an end is put aside, its successors are read, and memory stays small', async () => {
  const bench = new Bench()
  const long = 'x'.repeat(3 * 2 ** 20)
  bench.write(`a\n${long}\nb\n${'y'.repeat(MAX_LINE_BYTES + 1)}\nc\n`)
  const sizes: number[] = []
  for (let more = true; more; ) {
    const chunk = await bench.look()
    sizes.push(...chunk.lines.map(({ bytes }) => bytes.length))
    more = chunk.more
  }
  expect(bench.lines).toEqual(['a', `long: ${'x'.repeat(40)}`, 'b', `long: ${'y'.repeat(40)}`, 'c'])
  expect(Math.max(...sizes)).toBe(MAX_LINE_BYTES)
})

test('AU-1 a cursor finds its place after its file was renamed, and again after every restart', async () => {
  const bench = new Bench()
  bench.write('a\nb\n')
  await bench.drain()
  await bench.restart()
  bench.write('c\n')
  bench.rename(rotatedLog(1_000))
  bench.write('d\n')
  bench.offset = SETTLED_MS
  await bench.drain()
  await bench.restart()
  await bench.drain()
  expect(bench.lines).toEqual(['a', 'b', 'c', 'd'])
  expect(bench.trouble).toEqual([])
})

test('AU-1 another file that got the inode of a cursor is read from its beginning', async () => {
  const bench = new Bench()
  bench.write('a\nb\n')
  await bench.drain()
  await bench.restart()
  // The same inode with another content: what a file system does that gives numbers again.
  writeFileSync(join(bench.folder, LIVE_LOG), 'c\nd\n')
  await bench.drain()
  expect(bench.lines).toEqual(['a', 'b', 'c', 'd'])
  expect(bench.trouble).toEqual(['gone'])
})

test('AU-1 a file that vanishes or shrinks is told, and the rest is read', async () => {
  const bench = new Bench()
  bench.write('a\n')
  await bench.drain()
  rmSync(join(bench.folder, LIVE_LOG))
  bench.write('bb\n')
  await bench.drain()
  truncateSync(join(bench.folder, LIVE_LOG))
  await bench.drain()
  bench.write('c\n')
  await bench.drain()
  expect(bench.lines).toEqual(['a', 'bb', 'c'])
  expect(bench.trouble).toEqual(['gone', 'shorter'])
})

test('AU-1 only renamed files that lie before the cursor are deleted', async () => {
  const bench = new Bench()
  bench.write('a\n')
  bench.rename(endedLog(1_000))
  bench.write('b\n')
  bench.rename(endedLog(2_000))
  bench.write('c\n')
  const first = await bench.look()
  if (bench.cursor !== undefined) await bench.tail.deleteBefore(bench.cursor)
  expect(first.lines).toHaveLength(1)
  expect(readdirSync(bench.folder)).toHaveLength(3)
  await bench.drain()
  if (bench.cursor !== undefined) await bench.tail.deleteBefore(bench.cursor)
  expect(readdirSync(bench.folder)).toEqual([LIVE_LOG])
})

test('AU-1 a log of any history is read once and whole, wherever the reader is restarted', async () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 6, arbitrary: fc.constant('line' as const) },
    { weight: 2, arbitrary: fc.constant('rotate' as const) },
    { weight: 2, arbitrary: fc.constant('end' as const) },
    { weight: 4, arbitrary: fc.constant('look' as const) },
    { weight: 2, arbitrary: fc.constant('restart' as const) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const bench = new Bench()
      bench.offset = SETTLED_MS
      bench.write('')
      const made = { lines: 0, renamings: 0 }
      for (const todo of steps) await apply(bench, todo, made)
      await bench.drain()
      expect(bench.lines).toEqual(Array.from({ length: made.lines }, (_, line) => `line ${line}`))
      expect(bench.trouble).toEqual([])
    }),
    { numRuns: 60 },
  )
})

type Step = 'line' | 'rotate' | 'end' | 'look' | 'restart'

async function apply(bench: Bench, step: Step, made: { lines: number; renamings: number }): Promise<void> {
  switch (step) {
    case 'line':
      bench.write(`line ${made.lines++}\n`)
      break
    case 'look':
      await bench.look()
      break
    case 'restart':
      await bench.restart()
      break
    case 'rotate':
    case 'end':
      bench.rename((step === 'rotate' ? rotatedLog : endedLog)(++made.renamings))
      bench.write('')
  }
  if (bench.cursor !== undefined) await bench.tail.deleteBefore(bench.cursor)
}
