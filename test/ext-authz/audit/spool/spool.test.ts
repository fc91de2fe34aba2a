import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SPOOL_FILES } from '../../../../ext-authz/audit/spool/files.ts'
import { MAX_JSON_BYTES } from '../../../../ext-authz/audit/spool/record.ts'
import { segmentsIn } from '../../../../ext-authz/audit/spool/segment.ts'
import { until } from '../../../support/until.ts'
import { append, decisions, faultsOf, faulty, openSpool, readAll, temporaryFolder, texts } from './support.ts'

test('AU-1 every record is on disk when its event id is told, under node, boot and the next number', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder, { boot: 'first' })
  const events = await append(spool, texts(3))
  const { records, gaps } = await readAll(folder)
  expect(decisions(records)).toEqual(texts(3))
  expect(records.map(({ event }) => event)).toEqual(events)
  const [first = 0] = records.map(({ sequence }) => sequence)
  expect(events).toEqual([0, 1, 2].map((n) => `pod-1.first.${first + n}`))
  expect(gaps).toEqual([])
})

test('AU-3 all records of a turn are one write, in group and in strict mode', async () => {
  for (const mode of ['group', 'strict'] as const) {
    const writes: number[] = []
    const write: typeof SPOOL_FILES.write = (fd, bytes, position) => {
      writes.push(bytes.length)
      return SPOOL_FILES.write(fd, bytes, position)
    }
    const spool = await openSpool(await temporaryFolder(), { mode, fs: faulty({ write }) })
    await append(spool, texts(1))
    writes.length = 0
    await append(spool, texts(50))
    expect(writes).toHaveLength(1)
  }
})

test('AU-1 strict tells nothing before the disk has the record; group does not wait for it', async () => {
  for (const mode of ['group', 'strict'] as const) {
    const gate = Promise.withResolvers<void>()
    const spool = await openSpool(await temporaryFolder(), { mode, fs: faulty({ datasync: () => gate.promise }) })
    let told: string | undefined
    const telling = append(spool, texts(1)).then(([event]) => {
      told = event
    })
    await until('the write', () => spool.state().unsyncedBytes > 0)
    await new Promise((resolve) => setImmediate(resolve))
    expect(told === undefined).toBe(mode === 'strict')
    gate.resolve()
    await telling
    expect(told).toBeDefined()
  }
})

test('AU-1 strict tells after the name of a new segment is on the disk as well', async () => {
  const did: string[] = []
  const datasync: typeof SPOOL_FILES.datasync = async (fd) => {
    await SPOOL_FILES.datasync(fd)
    did.push('data')
  }
  const syncFolder: typeof SPOOL_FILES.syncFolder = async (folder) => {
    await SPOOL_FILES.syncFolder(folder)
    did.push('folder')
  }
  const fs = faulty({ datasync, syncFolder })
  const spool = await openSpool(await temporaryFolder(), { mode: 'strict', segmentBytes: 300, fs })
  for (let n = 0; n < 3; n++) await append(spool, texts(1)).then(() => did.push('told'))
  // The second goes to the same segment; then that is full, is synced for the last time, and a new one begins.
  expect(did).toEqual(['data', 'folder', 'told', 'data', 'told', 'data', 'data', 'folder', 'told'])
})

test('AU-1 strict tells after a sync only what was written before it began', async () => {
  const rounds: PromiseWithResolvers<void>[] = []
  const datasync = async () => {
    if (rounds.length === 2) return
    const round = Promise.withResolvers<void>()
    rounds.push(round)
    await round.promise
  }
  const spool = await openSpool(await temporaryFolder(), { mode: 'strict', fs: faulty({ datasync }) })
  const told: string[] = []
  const [first, second] = ['first', 'second'].map((name) => append(spool, texts(1)).then(() => told.push(name)))
  await until('the first sync', () => rounds.length === 1)
  const third = append(spool, texts(1)).then(() => told.push('third'))
  await until('its write', () => spool.state().counts.records === 3)
  rounds[0]?.resolve()
  await Promise.all([first, second])
  await until('the second sync', () => rounds.length === 2)
  expect(told).toEqual(['first', 'second'])
  rounds[1]?.resolve()
  await third
})

test('AU-1 in group mode what was written is on the disk soon after, without any further request', async () => {
  const rounds: number[] = []
  const spool = await openSpool(await temporaryFolder(), { onSync: (seconds) => rounds.push(seconds) })
  await append(spool, texts(5))
  expect(spool.state().unsyncedBytes).toBeGreaterThan(0)
  await until('the sync', () => spool.state().unsyncedBytes === 0)
  expect(rounds).toHaveLength(1)
  expect(spool.state().unsyncedMs).toBe(0)
})

test('AU-1 segments end by size and by age, and the records go on over them in one chain', async () => {
  const folder = await temporaryFolder()
  let now = 1_000_000
  const spool = await openSpool(folder, { segmentBytes: 1000, segmentMs: 60_000, now: () => now })
  for (let n = 0; n < 60; n++) await append(spool, texts(1, n))
  const bySize = (await segmentsIn(folder)).length
  expect(bySize).toBeGreaterThan(2)
  now += 60_000
  await append(spool, texts(1, 60))
  expect(await segmentsIn(folder)).toHaveLength(bySize + 1)
  expect(decisions((await readAll(folder)).records)).toEqual(texts(61))
  expect(await faultsOf(folder)).toEqual([])
})

test('AU-1 a segment that nobody writes to any more is ended by itself, so that it can be deleted', async () => {
  const folder = await temporaryFolder()
  let now = 1_000_000
  let looks = 0
  const clock = () => {
    looks += 1
    return now
  }
  const spool = await openSpool(folder, { now: clock })
  await append(spool, [JSON.stringify('x'.repeat(20_000))])
  now += 1000
  await until('its end', () => spool.state().segmentBytes === 0)
  await append(spool, texts(1))
  now += 1000
  await until('the sync', () => spool.state().unsyncedBytes === 0)
  looks = 0
  await until('two more looks', () => looks > 3)
  expect(spool.state().segmentBytes, 'one that is hardly begun stays open').toBeGreaterThan(0)
  now += 59_000
  await until('its end by age', () => spool.state().segmentBytes === 0)
  expect(await segmentsIn(folder)).toHaveLength(2)
})

test('AU-1 numbers and chain go on over boots', async () => {
  const folder = await temporaryFolder()
  const first = await openSpool(folder)
  await append(first, texts(4))
  await first.close()
  const second = await openSpool(folder, { boot: 'second' })
  await append(second, texts(4, 4))
  await second.close()
  const { records } = await readAll(folder)
  const start = records[0]?.sequence ?? 0
  expect(records.map(({ sequence }) => sequence - start)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  expect(records[4]?.event).toBe(`pod-1.second.${start + 4}`)
  expect(await faultsOf(folder)).toEqual([])
})

test('AU-1 a spool in a folder that was wiped never uses a number again', async () => {
  const first = await openSpool(await temporaryFolder(), { now: () => 1_000 })
  const second = await openSpool(await temporaryFolder(), { now: () => 2_000 })
  await append(first, texts(50))
  await append(second, texts(1))
  expect(second.state().sequence).toBeGreaterThan(first.state().sequence)
})

test('AU-1 a callback that throws keeps no other record from being told', async () => {
  const spool = await openSpool(await temporaryFolder())
  spool.append('{}', () => {
    throw new Error('broken')
  })
  expect((await append(spool, texts(2))).every((event) => event !== undefined)).toBe(true)
})

test('AU-1 a callback may add a record', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder)
  await new Promise((resolve) => spool.append('{"a":1}', () => spool.append('{"b":2}', resolve)))
  expect(decisions((await readAll(folder)).records)).toEqual(['{"a":1}', '{"b":2}'])
})

test('AU-1 a record that is too long is refused alone; one of the greatest length is read back', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder)
  const [long, longest, short] = ['x'.repeat(MAX_JSON_BYTES + 1), 'ü'.repeat(MAX_JSON_BYTES / 2), '{}']
  const [no, yes, also] = await append(spool, [long ?? '', longest ?? '', short ?? ''])
  expect(no).toBeUndefined()
  expect([yes, also]).not.toContain(undefined)
  expect(decisions((await readAll(folder)).records)).toEqual([longest, short])
})

test('AU-1 with too much that is not on the disk, records are refused until it is: memory stays bounded', async () => {
  const gate = Promise.withResolvers<void>()
  let slow = true
  const datasync = (fd: number) => (slow ? gate.promise : SPOOL_FILES.datasync(fd))
  const spool = await openSpool(await temporaryFolder(), { segmentBytes: 2 ** 30, fs: faulty({ datasync }) })
  const big = JSON.stringify('x'.repeat(2 ** 19))
  let refused = 0
  for (let n = 0; n < 80 && refused === 0; n++) {
    refused += (await append(spool, [big])).filter((event) => event === undefined).length
  }
  expect(refused).toBe(1)
  expect(spool.state().unsyncedBytes).toBeLessThanOrEqual(2 ** 25)
  slow = false
  gate.resolve()
  await until('room', async () => (await append(spool, [big]))[0] !== undefined)
})

test('AU-1 closing writes and syncs what there is, ends the segment, and takes no more', async () => {
  const folder = await temporaryFolder()
  const spool = await openSpool(folder)
  const pending = append(spool, texts(3))
  await spool.close()
  expect(await pending).not.toContain(undefined)
  expect(spool.state().unsyncedBytes).toBe(0)
  expect(await append(spool, texts(1))).toEqual([undefined])
  expect((await readdir(folder)).filter((name) => name.endsWith('.lock'))).toEqual([])
  const again = await openSpool(folder)
  await append(again, texts(1, 3))
  expect(decisions((await readAll(folder)).records)).toEqual(texts(4))
})

test('AU-6 files of a spool are for its user alone', async () => {
  const folder = join(await temporaryFolder(), 'new')
  await append(await openSpool(folder), texts(1))
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
})
