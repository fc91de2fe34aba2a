import { readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type SpoolGap, SpoolReader, type SpoolRecord } from '../../../../ext-authz/audit/spool/reader.ts'
import {
  decodeHeader,
  encodeHeader,
  segmentName,
  segmentsIn,
  spoolDepth,
} from '../../../../ext-authz/audit/spool/segment.ts'
import { append, decisions, drain, faultsOf, flip, openSpool, readAll, temporaryFolder, texts } from './support.ts'

/** A closed spool of `count` records in segments of about ten; each record's place. */
async function spoolOf(count: number): Promise<{ folder: string; records: SpoolRecord[]; segments: string[] }> {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder, { segmentBytes: 700 })
  for (let n = 0; n < count; n++) await append(spool, texts(1, n))
  await spool.close()
  return { folder, records: (await readAll(folder)).records, segments: await segmentsIn(folder) }
}

test('AU-1 a reader follows a spool that is written and rotated, and gets each record once', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder, { segmentBytes: 700 })
  const reader = new SpoolReader(folder, undefined)
  const got: string[] = []
  for (let n = 0; n < 100; n += 3) {
    const written = append(spool, texts(3, n))
    got.push(...decisions(await drain(reader)))
    await written
  }
  got.push(...decisions(await drain(reader)))
  expect(got).toEqual(texts(102))
  expect((await segmentsIn(folder)).length).toBeGreaterThan(5)
  expect(await reader.read({ records: 1, bytes: 1 })).toEqual([])
})

test('AU-1 a reader at the heels of a spool whose every turn begins a segment misses none', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder, { segmentBytes: 100 })
  const gaps: SpoolGap[] = []
  const reader = new SpoolReader(folder, undefined, { onGap: (gap) => gaps.push(gap) })
  const writing = (async () => {
    for (let n = 0; n < 1000; n += 2) await append(spool, texts(2, n))
  })()
  const got: string[] = []
  const deadline = performance.now() + 15_000
  while (got.length < 1000 && performance.now() < deadline) {
    const read = await reader.read({ records: 100, bytes: 2 ** 20 })
    got.push(...decisions(read))
    const last = read.at(-1)
    if (last !== undefined) await reader.deleteBefore(last.end)
  }
  await writing
  expect(got).toEqual(texts(1000))
  expect(gaps).toEqual([])
})

test('AU-1 a reader that begins anew at any record gets exactly those behind it, in portions of any size', async () => {
  const { folder, records } = await spoolOf(40)
  const property = fc.asyncProperty(
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 1, max: 50 }),
    fc.integer({ min: 1, max: 500 }),
    async (taken, count, bytes) => {
      const from = records[taken - 1]?.end
      const { records: rest, gaps } = await readAll(folder, from, { records: count, bytes })
      expect(rest).toEqual(records.slice(taken))
      expect(gaps).toEqual([])
    },
  )
  await fc.assert(property, { numRuns: 40 })
})

test('AU-1 a limit is kept, and one record comes whatever its length', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder)
  await append(spool, [JSON.stringify('x'.repeat(300_000)), ...texts(5)])
  const reader = new SpoolReader(folder, undefined)
  expect(await reader.read({ records: 10, bytes: 10 })).toHaveLength(1)
  expect(await reader.read({ records: 3, bytes: 1000 })).toHaveLength(3)
  expect(await reader.read({ records: 10, bytes: 8 })).toHaveLength(2)
})

test('AU-1 a folder that is not there yet is an empty spool', async () => {
  const folder = join(await temporaryFolder(), 'later')
  const reader = new SpoolReader(folder, undefined)
  expect(await drain(reader)).toEqual([])
  await append(await openSpool(folder), texts(2))
  expect(decisions(await drain(reader))).toEqual(texts(2))
})

test('AU-1 half a record at the end of the live segment is not there yet, then it is', async () => {
  const { folder, records } = await spoolOf(5)
  const file = join(folder, records[0]?.end.segment ?? '')
  const whole = await readFile(file)
  const reader = new SpoolReader(folder, undefined)
  const got: SpoolRecord[] = []
  for (let length = 0; length <= whole.length; length += 11) {
    await writeFile(file, whole.subarray(0, length))
    got.push(...(await drain(reader)))
  }
  await writeFile(file, whole)
  got.push(...(await drain(reader)))
  expect(got).toEqual(records)
})

test('AU-1 a segment that was rewritten after a failed sync is found by a reader that had looked before', async () => {
  const { folder, records, segments } = await spoolOf(40)
  const gaps: SpoolGap[] = []
  const reader = new SpoolReader(folder, undefined, { onGap: (gap) => gaps.push(gap) })
  await reader.read({ records: 3, bytes: 2 ** 20 })
  // The first segment loses its end, which stands in a segment of its own.
  const from = records[5]
  const file = join(folder, segments[0] ?? '')
  const rest = await readFile(file)
  const header = decodeHeader(rest)
  if (from === undefined || header === undefined) throw new Error('no such record')
  const start = from.end.offset - from.json.length - 49
  const moved = encodeHeader({ ...header, first: from.sequence }).bytes
  await writeFile(join(folder, segmentName(from.sequence)), Buffer.concat([moved, rest.subarray(start)]))
  await truncate(file, start)
  expect(decisions(await drain(reader))).toEqual(texts(37, 3))
  expect(gaps).toEqual([])
})

test('AU-1 a damaged record is never returned; those behind it are, and the gap is told once', async () => {
  const { folder, records, segments } = await spoolOf(60)
  // In the newest one, half a record may still be written.
  const all = fc.asyncProperty(fc.integer({ min: 0, max: segments.length - 2 }), fc.nat(), async (at, place) => {
    const name = segments[at] ?? ''
    const whole = await readFile(join(folder, name))
    const offset = place % whole.length
    await flip(join(folder, name), offset)
    const gaps: SpoolGap[] = []
    const reader = new SpoolReader(folder, undefined, { onGap: (gap) => gaps.push(gap) })
    const got = [...(await drain(reader)), ...(await drain(reader))]
    await writeFile(join(folder, name), whole)

    const known = new Map(records.map((record) => [record.event, record]))
    for (const record of got) expect(record).toEqual(known.get(record.event))
    const missing = records.filter(({ event }) => !got.some((record) => record.event === event))
    expect(missing.every(({ end }) => end.segment === name)).toBe(true)
    // A flipped header takes its segment with it.
    const header = decodeHeader(whole)?.end ?? 0
    if (offset >= header) expect(missing.length).toBeLessThanOrEqual(1)
    const told = gaps.map(({ fromSequence, toSequence }) => [fromSequence, toSequence])
    expect(told).toEqual(missing.length === 0 ? [] : [[missing[0]?.sequence, missing.at(-1)?.sequence]])
  })
  await fc.assert(all, { numRuns: 80 })
})

test('AU-1 a segment that is gone is a gap of exactly its records', async () => {
  const { folder, records, segments } = await spoolOf(60)
  await rm(join(folder, segments[2] ?? ''))
  const lost = records.filter(({ end }) => end.segment === segments[2]).map(({ sequence }) => sequence)
  const { records: got, gaps } = await readAll(folder)
  expect(got).toEqual(records.filter(({ end }) => end.segment !== segments[2]))
  expect(gaps).toMatchObject([{ segment: segments[3], fromSequence: lost[0], toSequence: lost.at(-1) }])
})

test('AU-1 records cut off the end of an old segment are a gap', async () => {
  const { folder, records, segments } = await spoolOf(60)
  const inside = records.filter(({ end }) => end.segment === segments[1])
  await truncate(join(folder, segments[1] ?? ''), inside[3]?.end.offset ?? 0)
  const { records: got, gaps } = await readAll(folder)
  expect(got).toHaveLength(60 - inside.length + 4)
  expect(gaps).toMatchObject([{ fromSequence: inside[4]?.sequence, toSequence: inside.at(-1)?.sequence }])
})

test('AU-1 segments under each other’s names lose no record', async () => {
  const { folder, records, segments } = await spoolOf(60)
  const [one = '', other = ''] = segments.slice(1, 3)
  await rename(join(folder, one), join(folder, 'aside'))
  await rename(join(folder, other), join(folder, one))
  await rename(join(folder, 'aside'), join(folder, other))
  const { records: got } = await readAll(folder)
  expect(new Set(got.map(({ event }) => event))).toEqual(new Set(records.map(({ event }) => event)))
})

test('AU-8 segments before a position are deleted, whole ones only, and what is left is a clean spool', async () => {
  const { folder, records, segments } = await spoolOf(60)
  const all = await spoolDepth(folder)
  const reader = new SpoolReader(folder, undefined)
  await drain(reader)
  for (const record of records.filter((_, n) => n % 7 === 0)) {
    await reader.deleteBefore(record.end)
    const left = await segmentsIn(folder)
    expect(left).toEqual(segments.filter((name) => name >= record.end.segment))
    expect(decisions((await readAll(folder, record.end)).records)).toEqual(texts(60).slice(records.indexOf(record) + 1))
    expect(await faultsOf(folder)).toEqual([])
  }
  expect((await spoolDepth(folder)).bytes).toBeLessThan(all.bytes / 2)
})

test('AU-8 a spool that was read to its end and ended is deleted whole; numbers, chain and cursors go on', async () => {
  const { folder, records } = await spoolOf(25)
  const last = records.at(-1)
  if (last === undefined) throw new Error('no records')
  const reader = new SpoolReader(folder, undefined)
  await drain(reader)
  await reader.deleteBefore(last.end)
  expect(await segmentsIn(folder)).toEqual([])
  expect(await faultsOf(folder)).toEqual([])
  await append(await openSpool(folder), texts(2, 25))
  const gaps: SpoolGap[] = []
  const restarted = new SpoolReader(folder, last.end, { onGap: (gap) => gaps.push(gap) })
  for (const rest of [await drain(reader), await drain(restarted)]) {
    expect(decisions(rest)).toEqual(texts(2, 25))
    expect(rest[0]?.sequence).toBe(last.sequence + 1)
  }
  expect(gaps).toEqual([])
  expect(await faultsOf(folder)).toEqual([])
})

test('AU-8 the segment that is written is never deleted, wherever the position', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder)
  await append(spool, texts(5))
  const { records } = await readAll(folder)
  const end = records.at(-1)?.end ?? { segment: '', offset: 0 }
  await new SpoolReader(folder, end).deleteBefore(end)
  await append(spool, texts(1, 5))
  expect(decisions((await readAll(folder)).records)).toEqual(texts(6))
})

test('AU-1 a position in a segment that was lost, not deleted after reading, is a gap', async () => {
  const { folder, records, segments } = await spoolOf(40)
  const from = records.find(({ end }) => end.segment === segments[1])
  await rm(join(folder, segments[1] ?? ''))
  const { records: rest, gaps } = await readAll(folder, from?.end)
  expect(rest[0]?.end.segment).toBe(segments[2])
  expect(gaps).toMatchObject([{ fromSequence: from?.sequence, toSequence: (rest[0]?.sequence ?? 0) - 1 }])
})

test('AU-1 a reader far behind reads a segment of many chunks, and holds no chunk back with a record', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder, { segmentBytes: 2 ** 24 })
  const big = JSON.stringify('ü'.repeat(150_000))
  for (let n = 0; n < 30; n++) await append(spool, [big])
  const { records } = await readAll(folder)
  expect(records).toHaveLength(30)
  expect(records.every(({ json }) => json.buffer.byteLength === json.length || json.length < 4096)).toBe(true)
  expect(segmentName(records[0]?.sequence ?? 0)).toBe((await readdir(folder)).find((name) => name.endsWith('.seg')))
})
