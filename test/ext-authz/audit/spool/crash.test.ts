import { spawn } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { appendFile, cp, mkdtemp, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { segmentsIn } from '../../../../ext-authz/audit/spool/segment.ts'
import { Spool } from '../../../../ext-authz/audit/spool/spool.ts'
import { until } from '../../../support/until.ts'
import { append, decisions, faultsOf, flip, openSpool, readAll, SILENT, temporaryFolder, texts } from './support.ts'

const CHILD = join(import.meta.dirname, 'spool-child.ts')

/** A record as its caller knew it: what the spool held when it was told. */
interface Told {
  readonly text: string
  readonly event: string | undefined
  readonly segment: string
  readonly size: number
}

/** What stands in the file behind a cut. */
const TAILS = {
  nothing: () => Buffer.alloc(0),
  zeros: (length: number) => Buffer.alloc(length),
  garbage: (length: number) => Buffer.alloc(length, 0xa5),
} as const

const turns = fc.array(fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 12,
})
const cuts = fc.record({
  /** Which segment was the newest, and how much of it was left; as shares. */
  segment: fc.double({ min: 0, max: 1, noNaN: true }),
  offset: fc.double({ min: 0, max: 1, noNaN: true }),
  tail: fc.constantFrom('nothing', 'zeros', 'garbage'),
  tailBytes: fc.integer({ min: 1, max: 5000 }),
})

test('AU-1 cut anywhere, a spool gives exactly a prefix with all that was told before, and its successor goes on', async () => {
  const root = await temporaryFolder()
  const whole = fc.asyncProperty(turns, cuts, async (sizes, cut) => {
    const folder = await mkdtemp(join(root, 'case-'))
    const told = await write(folder, sizes)
    const { name, offset } = await cutAt(folder, cut)

    const { records, gaps } = await readAll(folder)
    const got = decisions(records)
    expect(got).toEqual(told.slice(0, got.length).map(({ text }) => text))
    expect(records.map(({ event }) => event)).toEqual(told.slice(0, got.length).map(({ event }) => event))
    const due = told.filter(({ segment, size }) => segment < name || (segment === name && size <= offset))
    expect(got.length).toBeGreaterThanOrEqual(due.length)
    expect(gaps).toEqual([])

    const successor = await openSpool(folder)
    await append(successor, texts(3, 1_000_000))
    await successor.close()
    const after = await readAll(folder)
    expect(decisions(after.records)).toEqual([...got, ...texts(3, 1_000_000)])
    const last = records.at(-1)
    if (last !== undefined) expect(after.records[records.length]?.sequence).toBe(last.sequence + 1)
    expect(after.gaps).toEqual([])
    expect(await faultsOf(folder)).toEqual([])
    // The reader that was there when it happened goes on from where it was.
    const goesOn = await readAll(folder, last?.end)
    expect(decisions(goesOn.records)).toEqual(texts(3, 1_000_000))
    expect(goesOn.gaps).toEqual([])
    await rm(folder, { recursive: true })
  })
  await fc.assert(whole, { numRuns: 60 })
})

test('AU-1 a reader that was past the end of what a power failure left goes on behind it', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder)
  await append(spool, texts(10))
  const { records } = await readAll(folder)
  await spool.close()
  const [name = ''] = await segmentsIn(folder)
  await truncate(join(folder, name), records[5]?.end.offset ?? 0)
  await append(await openSpool(folder), texts(2, 100))
  const { records: rest, gaps } = await readAll(folder, records[9]?.end)
  expect(decisions(rest)).toEqual(texts(2, 100))
  expect(gaps).toEqual([])
})

test('AU-1 half a record is kept beside its segment, and counted', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder)
  await append(spool, texts(2))
  const [name = ''] = await segmentsIn(folder)
  const file = join(folder, name)
  const { size } = statSync(file)
  const copy = join(await temporaryFolder(), 'copy')
  await cp(folder, copy, { recursive: true, filter: (path) => !path.endsWith('.lock') })
  await truncate(join(copy, name), size - 1)
  const mended = await openSpool(copy)
  const torn = await readFile(join(copy, `${name}.torn`))
  expect(mended.state().counts.tornBytes).toBe(torn.length)
  expect(torn.toString('latin1')).toContain('{"n"')
})

test('AU-1 damage in the middle of the last segment costs its successor no record behind it', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder)
  await append(spool, texts(5))
  const { records } = await readAll(folder)
  await spool.close()
  await flip(join(folder, records[2]?.end.segment ?? ''), (records[2]?.end.offset ?? 0) - 1)
  await append(await openSpool(folder), texts(1, 5))
  const after = await readAll(folder)
  expect(decisions(after.records)).toEqual(texts(6).filter((_, n) => n !== 2))
  const sequence = records[2]?.sequence
  expect(after.gaps).toMatchObject([{ fromSequence: sequence, toSequence: sequence }])
})

test('AU-1 a worker killed with -9 at any moment has told of no record that is not in its spool', async () => {
  const folder = await temporaryFolder()
  let told: string[] = []
  for (const minimum of [1, 300, 1500]) {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CHILD, folder, `boot${minimum}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString('latin1')
    })
    const ended = new Promise((resolve) => child.once('close', resolve))
    try {
      await until('records', () => out.split('\n').length > minimum)
    } finally {
      child.kill('SIGKILL')
    }
    await ended
    told = [...told, ...out.split('\n').slice(0, -1)]
  }
  const successor = await openSpool(folder)
  await append(successor, texts(1))
  const { records, gaps } = await readAll(folder)
  const found = new Set(records.map(({ event }) => event))
  expect(told.filter((event) => !found.has(event))).toEqual([])
  expect(told.length).toBeGreaterThan(1800)
  expect(gaps).toEqual([])
  expect(await faultsOf(folder)).toEqual([])
})

test('AU-1 a second living writer is refused and told which process writes', async () => {
  const folder = await temporaryFolder()
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CHILD, folder, 'other'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve))
    await expect(openSpool(folder)).rejects.toThrow(`${folder}: process ${child.pid} (boot other) writes here; stop it`)
    await expect(openSpool(folder)).rejects.toThrow('writes here')
  } finally {
    child.kill('SIGKILL')
  }
  await ended
  await openSpool(folder)
  await expect(openSpool(folder)).rejects.toThrow(`process ${process.pid} (boot`)
})

test('AU-1 of two writers that come at once at most one gets the folder', async () => {
  const folder = await temporaryFolder()
  for (let round = 0; round < 5; round++) {
    const both = await Promise.allSettled([openSpool(folder), openSpool(folder)])
    const open = both.filter((result) => result.status === 'fulfilled')
    expect(open.length).toBeLessThanOrEqual(1)
    for (const { value } of open) await value.close()
  }
})

/** Writes the turns; a segment ends after about 1 KiB. */
async function write(folder: string, sizes: readonly (readonly number[])[]): Promise<Told[]> {
  const told: Told[] = []
  const spool = await Spool.open({
    folder,
    node: 'pod-1',
    worker: 0,
    boot: 'victim',
    mode: 'group',
    segmentBytes: 1024,
    segmentMs: 60_000,
    log: SILENT,
    now: Date.now,
  })
  for (const [turn, lengths] of sizes.entries()) {
    const all = lengths.map((length, n) => {
      const text = JSON.stringify({ turn, n, filling: 'ö'.repeat(length) })
      return new Promise<void>((resolve) =>
        spool.append(text, (event) => {
          told.push({ text, event, ...newest(folder) })
          resolve()
        }),
      )
    })
    await Promise.all(all)
  }
  await spool.close()
  return told
}

/** The segment that is written just now, and how much of it there is. */
function newest(folder: string): { segment: string; size: number } {
  const segment =
    readdirSync(folder)
      .filter((name) => name.endsWith('.seg'))
      .sort()
      .at(-1) ?? ''
  return { segment, size: statSync(join(folder, segment)).size }
}

/** Leaves of a spool what a crash might: one segment up to an offset, with something behind it, and none after that. */
async function cutAt(
  folder: string,
  cut: { segment: number; offset: number; tail: keyof typeof TAILS; tailBytes: number },
): Promise<{ name: string; offset: number }> {
  const names = await segmentsIn(folder)
  const at = Math.min(Math.floor(cut.segment * names.length), names.length - 1)
  for (const name of names.slice(at + 1)) await rm(join(folder, name))
  const name = names[at] ?? ''
  const offset = Math.floor(cut.offset * statSync(join(folder, name)).size)
  await truncate(join(folder, name), offset)
  await appendFile(join(folder, name), TAILS[cut.tail](cut.tailBytes))
  return { name, offset }
}
