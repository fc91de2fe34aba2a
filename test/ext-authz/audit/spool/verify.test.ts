import { appendFile, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SpoolReader, type SpoolRecord } from '../../../../ext-authz/audit/spool/reader.ts'
import { chainFrame, OVERHEAD_BYTES, payloadHash, previousOf } from '../../../../ext-authz/audit/spool/record.ts'
import { decodeHeader, encodeHeader, segmentsIn } from '../../../../ext-authz/audit/spool/segment.ts'
import { until } from '../../../support/until.ts'
import { append, failingSync, faultsOf, flip, openSpool, readAll, temporaryFolder, texts } from './support.ts'

/** A closed spool of sixty records in segments of about ten. */
async function made(): Promise<{
  folder: string
  records: SpoolRecord[]
  segments: string[]
  file(at: number): string
}> {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder, { segmentBytes: 700 })
  for (let n = 0; n < 60; n++) await append(spool, texts(1, n))
  await spool.close()
  const segments = await segmentsIn(folder)
  const { records } = await readAll(folder)
  return { folder, records, segments, file: (at) => join(folder, segments.at(at) ?? '') }
}

/** Where a record of a segment begins and ends. */
function place(records: readonly SpoolRecord[], segment: string | undefined, n: number) {
  const inside = records.filter(({ end }) => end.segment === segment)
  const record = inside.at(n)
  if (record === undefined) throw new Error(`no record ${n} in ${segment}`)
  return { record, start: record.end.offset - record.json.length - OVERHEAD_BYTES, end: record.end.offset, inside }
}

test('AU-8 verify finds nothing in a spool as it was written, before, in and after deletion from its front', async () => {
  const { folder, records } = await made()
  expect(await faultsOf(folder)).toEqual([])
  const middle = records[30]?.end ?? { segment: '', offset: 0 }
  await new SpoolReader(folder, middle).deleteBefore(middle)
  expect(await faultsOf(folder)).toEqual([])
})

test('AU-8 verify finds nothing where a deletion from the front was cut short', async () => {
  const { folder, records, segments, file } = await made()
  const middle = records[30]?.end ?? { segment: '', offset: 0 }
  const before = segments.filter((name) => name < middle.segment).slice(1)
  const left = await Promise.all(before.map(async (name) => ({ name, bytes: await readFile(join(folder, name)) })))
  await new SpoolReader(folder, middle).deleteBefore(middle)
  for (const { name, bytes } of left) await writeFile(join(folder, name), bytes)
  expect(await readFile(file(1))).toEqual(left[0]?.bytes)
  expect(await faultsOf(folder)).toEqual([])
})

test('AU-8 verify names a flipped bit anywhere in a spool, in the right segment', async () => {
  const { folder, segments } = await made()
  const property = fc.asyncProperty(
    fc.integer({ min: 0, max: segments.length - 1 }),
    fc.nat(),
    fc.integer({ min: 0, max: 7 }),
    async (at, where, bit) => {
      const file = join(folder, segments[at] ?? '')
      const whole = await readFile(file)
      const bad = Buffer.from(whole)
      const offset = where % whole.length
      bad[offset] = (bad[offset] ?? 0) ^ (1 << bit)
      await writeFile(file, bad)
      const faults = await faultsOf(folder)
      await writeFile(file, whole)
      expect(faults[0]).toMatchObject({ segment: segments[at] })
      expect(['damaged-record', 'bad-header', 'wrong-footer', 'torn-tail']).toContain(faults[0]?.kind)
      expect(faults[0]?.offset).toBeLessThanOrEqual(offset)
    },
  )
  await fc.assert(property, { numRuns: 100 })
})

test('AU-8 verify names a flipped byte by segment, offset and number', async () => {
  const { folder, records, segments, file } = await made()
  const { record, start } = place(records, segments[2], 4)
  await flip(file(2), start + OVERHEAD_BYTES + 2)
  expect(await faultsOf(folder)).toMatchObject([
    { kind: 'damaged-record', segment: segments[2], offset: start, sequence: record.sequence },
  ])
})

test('AU-8 verify names a record that was cut out of the middle', async () => {
  const { folder, records, segments, file } = await made()
  const { record, start, end } = place(records, segments[2], 4)
  const whole = await readFile(file(2))
  await writeFile(file(2), Buffer.concat([whole.subarray(0, start), whole.subarray(end)]))
  const faults = await faultsOf(folder)
  expect(faults).toMatchObject([
    { kind: 'missing-record', segment: segments[2], offset: start, sequence: record.sequence },
  ])
  expect(faults[0]?.expected).toBe(`record ${record.sequence}`)
})

test('AU-8 verify names a record that was edited together with its checksum', async () => {
  const { folder, records, segments, file } = await made()
  const { record, start, end } = place(records, segments[2], 4)
  const bytes = await readFile(file(2))
  bytes.write('7', end - 2)
  chainFrame(bytes, start, previousOf(bytes, start))
  await writeFile(file(2), bytes)
  expect(await faultsOf(folder)).toMatchObject([
    { kind: 'broken-chain', segment: segments[2], sequence: record.sequence + 1 },
  ])
})

test('AU-8 verify names segments that were swapped', async () => {
  const { folder, segments, file } = await made()
  await rename(file(1), join(folder, 'aside'))
  await rename(file(3), file(1))
  await rename(join(folder, 'aside'), file(3))
  const faults = await faultsOf(folder)
  expect(faults.filter(({ kind }) => kind === 'swapped-segment').map(({ segment }) => segment)).toEqual([
    segments[1],
    segments[3],
  ])
})

test('AU-8 verify names a segment that is gone, in the middle and at the front', async () => {
  const { folder, records, segments, file } = await made()
  await rm(file(2))
  const first = place(records, segments[2], 0).record.sequence
  expect(await faultsOf(folder)).toMatchObject([{ kind: 'missing-segment', segment: segments[3], sequence: first }])
  const middle = place(records, segments[3], 3).record.end
  await new SpoolReader(folder, middle).deleteBefore(middle)
  expect(await faultsOf(folder)).toEqual([])
  await rm(file(3))
  expect(await faultsOf(folder)).toMatchObject([{ kind: 'missing-segment', segment: segments[4] }])
})

test('AU-8 verify names a tail that was cut off, at a record’s end and within one', async () => {
  const { folder, records, segments, file } = await made()
  const { record, start } = place(records, segments[2], 4)
  for (const length of [start, start + 20]) {
    await truncate(file(2), length)
    expect(await faultsOf(folder)).toMatchObject([
      { kind: 'truncated-tail', segment: segments[2], offset: start, sequence: record.sequence },
    ])
    if (length === start) await appendFile(file(2), Buffer.alloc(100, 1))
  }
})

test('AU-8 verify tells half a record of the newest segment apart: its writer may be at it', async () => {
  const { folder, records, segments, file } = await made()
  const { record, start } = place(records, segments.at(-1), -1)
  await truncate(file(-1), start + 20)
  expect(await faultsOf(folder)).toMatchObject([{ kind: 'torn-tail', offset: start, sequence: record.sequence }])
  await truncate(file(-1), start)
  await appendFile(file(-1), Buffer.alloc(500))
  expect(await faultsOf(folder)).toMatchObject([{ kind: 'torn-tail', offset: start, sequence: record.sequence }])
})

test('AU-8 verify finds out a newest segment that was cut at a record’s end when told of the last record', async () => {
  const { folder, records, segments, file } = await made()
  const { record, start } = place(records, segments.at(-1), -1)
  const hash = Buffer.from(payloadHash(await readFile(file(-1)), start), 'latin1')
  const known = { sequence: record.sequence, hash }
  expect(await faultsOf(folder, known)).toEqual([])
  expect(await faultsOf(folder, { ...known, hash: Buffer.alloc(32) })).toMatchObject([{ kind: 'broken-chain' }])
  await truncate(file(-1), start)
  expect(await faultsOf(folder)).toEqual([])
  expect(await faultsOf(folder, known)).toMatchObject([{ kind: 'truncated-tail', sequence: record.sequence }])
})

test('AU-8 verify names a header that was changed together with its checksum', async () => {
  const { folder, segments, file } = await made()
  const whole = await readFile(file(2))
  const header = decodeHeader(whole)
  if (header === undefined) throw new Error('no header')
  await writeFile(file(2), Buffer.concat([encodeHeader({ ...header, node: 'evil' }).bytes, whole.subarray(header.end)]))
  expect(await faultsOf(folder)).toMatchObject([{ kind: 'bad-header', segment: segments[2], sequence: header.first }])
  await writeFile(file(2), whole.subarray(3))
  expect(await faultsOf(folder)).toMatchObject([{ kind: 'bad-header', segment: segments[2], offset: 0 }])
})

test('AU-8 verify holds a segment that was rewritten after a failed sync against the record before it', async () => {
  const folder = await temporaryFolder()
  const disk = failingSync()
  const spool = await openSpool(folder, { fs: disk.files })
  await append(spool, texts(5))
  await until('the sync', () => spool.state().unsyncedBytes === 0)
  disk.failures = 1
  await append(spool, texts(5, 5))
  await spool.close()
  const [old = '', rewritten = ''] = await segmentsIn(folder)
  expect(await faultsOf(folder)).toEqual([])

  const bytes = await readFile(join(folder, old))
  const { records } = await readAll(folder)
  const starts = records.slice(4).map(({ end, json }) => end.offset - json.length - OVERHEAD_BYTES)
  bytes.write('7', (records[4]?.end.offset ?? 0) - 2)
  let hash = previousOf(bytes, starts[0] ?? 0)
  for (const start of starts) hash = chainFrame(bytes, start, hash)
  await writeFile(join(folder, old), bytes)
  const faults = await faultsOf(folder)
  expect(faults.map(({ kind, segment }) => `${kind} ${segment}`)).toContain(`broken-chain ${rewritten}`)
})

test('AU-8 verify names what follows a footer, and a base that makes no sense', async () => {
  const { folder, segments, file } = await made()
  await appendFile(file(2), 'more')
  expect(await faultsOf(folder)).toMatchObject([{ kind: 'wrong-footer', segment: segments[2], found: '4 bytes more' }])
  await truncate(file(2), (await readFile(file(2))).length - 4)
  await writeFile(join(folder, 'deleted.json'), '{')
  expect(await faultsOf(folder)).toMatchObject([{ kind: 'bad-base' }])
})

test('AU-8 verify names a record that stands twice', async () => {
  const { folder, records, segments, file } = await made()
  const { record, start, end } = place(records, segments[2], 4)
  const whole = await readFile(file(2))
  await writeFile(file(2), Buffer.concat([whole.subarray(0, end), whole.subarray(start)]))
  expect(await faultsOf(folder)).toMatchObject([{ kind: 'broken-chain', offset: end, sequence: record.sequence + 1 }])
})
