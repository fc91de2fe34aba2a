import { spawn } from 'node:child_process'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SPOOL_FILES } from '../../../../ext-authz/audit/spool/files.ts'
import { SpoolReader } from '../../../../ext-authz/audit/spool/reader.ts'
import { segmentsIn } from '../../../../ext-authz/audit/spool/segment.ts'
import { until } from '../../../support/until.ts'
import {
  append,
  decisions,
  failingSync,
  faultsOf,
  faulty,
  openSpool,
  readAll,
  smallDisk,
  systemError,
  temporaryFolder,
  texts,
  usedIn,
} from './support.ts'

const CHILD = join(import.meta.dirname, 'full-disk-child.ts')

test('AU-1 short writes are written on until all is there', async () => {
  const folder = await temporaryFolder()
  const write: typeof SPOOL_FILES.write = (fd, bytes, position) => SPOOL_FILES.write(fd, bytes.subarray(0, 7), position)
  const spool = await openSpool(folder, { fs: faulty({ write }) })
  expect(await append(spool, texts(20))).not.toContain(undefined)
  expect(decisions((await readAll(folder)).records)).toEqual(texts(20))
})

test('AU-1 a disk that fills up in a turn keeps whole records only, refuses the others, and is taken up again by itself', async () => {
  const folder = await temporaryFolder()
  const disk = smallDisk(folder, 2 ** 30)
  const spool = await openSpool(folder, { fs: disk.files })
  const before = await append(spool, texts(3))
  // Two records and a half fit.
  disk.capacity = usedIn(folder) + 2 * 58 + 30
  const events = await append(spool, ['{"n":103}', '{"n":104}', '{"n":105}'])
  expect(events.map((event) => event !== undefined)).toEqual([true, true, false])
  expect(spool.state()).toMatchObject({ health: 'full', code: 'ENOSPC' })
  expect(await append(spool, texts(1))).toEqual([undefined])

  disk.capacity = 2 ** 30
  const back = performance.now()
  await until('service', async () => (await append(spool, ['{"n":106}']))[0] !== undefined, 5000)
  expect(performance.now() - back).toBeLessThan(5000)
  expect(spool.state().health).toBe('ok')

  const { records, gaps } = await readAll(folder)
  expect(decisions(records)).toEqual([...texts(3), '{"n":103}', '{"n":104}', '{"n":106}'])
  expect(records.filter(({ kind }) => kind === 'decision').map(({ event }) => event)).toEqual([
    ...before,
    ...events.slice(0, 2),
    `pod-1.${events[0]?.split('.')[1]}.${spool.state().sequence}`,
  ])
  expect(gaps).toEqual([])
  expect(await faultsOf(folder)).toEqual([])
})

test('AU-1 a full spool refuses at once and looks for room four times a second', async () => {
  const folder = await temporaryFolder()
  const disk = smallDisk(folder, 2 ** 30)
  let now = 5_000
  const spool = await openSpool(folder, { fs: disk.files, now: () => now })
  await append(spool, texts(3))
  disk.capacity = usedIn(folder)
  const tries = async () => {
    await append(spool, texts(1))
    return spool.state().counts.errors.get('ENOSPC')
  }
  expect(await tries()).toBe(1)
  await until('the sync', () => spool.state().unsyncedBytes === 0)
  expect([await tries(), await tries()]).toEqual([1, 1])
  now += 249
  expect(await tries()).toBe(1)
  now += 1
  expect([await tries(), await tries()]).toEqual([2, 2])
  // A clock that was set back by an hour.
  now -= 3_600_000
  expect(await tries()).toBe(3)
})

test('AU-1 the spool itself notes when it was full, and for how many decisions', async () => {
  const folder = await temporaryFolder()
  const disk = smallDisk(folder, 2 ** 18)
  const spool = await openSpool(folder, { fs: disk.files })
  const big = JSON.stringify('x'.repeat(2 ** 16))
  let refused = 0
  while (refused < 3) refused += (await append(spool, [big])).filter((event) => event === undefined).length
  disk.capacity = 2 ** 21
  await until('service', async () => {
    const [event] = await append(spool, ['{}'])
    if (event === undefined) refused += 1
    return event
  })
  const notes = (await readAll(folder)).records.filter(({ kind }) => kind === 'note')
  expect(notes.map(({ json }) => JSON.parse(json.toString('utf8')))).toMatchObject([
    { note: 'audit full', code: 'ENOSPC' },
    { note: 'audit resumed', code: 'ENOSPC', refused },
  ])
  expect(spool.state().counts.refused).toBe(refused)
  expect(await faultsOf(folder)).toEqual([])
})

test('AU-1 the room for the last words is not used up by records: it must be there again before they are taken', async () => {
  const folder = await temporaryFolder()
  const disk = smallDisk(folder, 2 ** 18)
  const spool = await openSpool(folder, { fs: disk.files })
  const big = JSON.stringify('x'.repeat(2 ** 14))
  while (spool.state().health === 'ok') await append(spool, [big])
  const told: (string | undefined)[] = []
  await until('three tries', async () => {
    told.push(...(await append(spool, ['{}'])))
    return (spool.state().counts.errors.get('ENOSPC') ?? 0) >= 4
  })
  expect(told.filter((event) => event !== undefined)).toEqual([])
  disk.capacity = usedIn(folder) + 2 ** 17 + 2 ** 10
  await until('service', async () => (await append(spool, ['{}']))[0], 5000)
})

test('AU-1 what a full disk ended can be deleted at once: the recorder makes the room', async () => {
  const folder = await temporaryFolder()
  const disk = smallDisk(folder, 2 ** 18)
  const spool = await openSpool(folder, { fs: disk.files })
  const big = JSON.stringify('x'.repeat(2 ** 15))
  while (spool.state().health === 'ok') await append(spool, [big])
  const { records } = await readAll(folder)
  const last = records.at(-1)
  if (last === undefined) throw new Error('nothing was recorded')
  await new SpoolReader(folder, last.end).deleteBefore(last.end)
  expect(await segmentsIn(folder)).toEqual([])
  disk.capacity = 2 ** 21
  await until('service', async () => (await append(spool, ['{}']))[0])
  expect(decisions((await readAll(folder, last.end)).records)).toEqual(['{}'])
  expect(await faultsOf(folder)).toEqual([])
})

test('AU-1 a failed fdatasync: what it did not cover goes to a new file, and the old one is not written again', async () => {
  for (const mode of ['group', 'strict'] as const) {
    const folder = await temporaryFolder()
    const disk = failingSync()
    const spool = await openSpool(folder, { mode, fs: disk.files })
    await append(spool, texts(5))
    await until('the sync', () => spool.state().unsyncedBytes === 0)
    disk.failures = 1
    expect(await append(spool, texts(5, 5))).not.toContain(undefined)
    await until('the sync', () => spool.state().unsyncedBytes === 0)
    expect(disk.reused, 'a descriptor was used after its sync had failed').toBe(false)
    expect(await append(spool, texts(5, 10))).not.toContain(undefined)
    await spool.close()
    expect(spool.state().counts).toMatchObject({ rewrites: 1, errors: new Map([['EIO', 1]]) })
    const { records, gaps } = await readAll(folder)
    expect(decisions(records)).toEqual(texts(15))
    expect(gaps).toEqual([])
    expect(await faultsOf(folder)).toEqual([])
    expect(disk.open).toEqual(new Set())
  }
})

test('AU-1 a failed fdatasync right after a rotation loses nothing of either segment, for a reader in the middle too', async () => {
  const folder = await temporaryFolder()
  const disk = failingSync()
  const gate = Promise.withResolvers<void>()
  const datasync = (fd: number) => gate.promise.then(() => disk.files.datasync(fd))
  const spool = await openSpool(folder, { segmentBytes: 600, fs: { ...disk.files, datasync } })
  for (let n = 0; n < 20; n++) await append(spool, texts(1, n))
  const { records: early } = await readAll(folder, undefined, { records: 13, bytes: 2 ** 20 })
  const middle = early[12]?.end
  disk.failures = 1
  gate.resolve()
  await until('the sync', () => spool.state().unsyncedBytes === 0)
  await append(spool, texts(3, 20))
  await spool.close()
  expect(decisions((await readAll(folder)).records)).toEqual(texts(23))
  expect(await readAll(folder, middle).then(({ records }) => decisions(records))).toEqual(texts(10, 13))
  expect(await faultsOf(folder)).toEqual([])
})

test('AU-1 a disk whose fdatasync keeps failing: strict tells of nothing, and both go on when it heals', async () => {
  for (const mode of ['group', 'strict'] as const) {
    const folder = await temporaryFolder()
    const disk = failingSync()
    const spool = await openSpool(folder, { mode, fs: disk.files })
    disk.failures = Number.POSITIVE_INFINITY
    const first = await append(spool, texts(2))
    expect(first.includes(undefined)).toBe(mode === 'strict')
    await until('the failure', () => spool.state().health === 'failing')
    expect(await append(spool, texts(1))).toEqual([undefined])
    disk.failures = 0
    await until('service', async () => (await append(spool, texts(1, 2)))[0], 5000)
    await spool.close()
    expect(decisions((await readAll(folder)).records), 'what was written once stays').toEqual(texts(3))
    expect(disk.reused).toBe(false)
    expect(await faultsOf(folder)).toEqual([])
  }
})

test('AU-1 a removed folder is made again, and what was not on the disk yet is written there', async () => {
  const folder = join(await temporaryFolder(), 'spool')
  const spool = await openSpool(folder)
  await append(spool, texts(2))
  await until('the sync', () => spool.state().unsyncedBytes === 0)
  await rm(folder, { recursive: true })
  expect(await append(spool, texts(3, 2))).not.toContain(undefined)
  await until('the sync', () => spool.state().unsyncedBytes === 0)
  expect(decisions((await readAll(folder)).records)).toEqual(texts(3, 2))
  expect(await append(spool, texts(1, 5))).not.toContain(undefined)
  expect(decisions((await readAll(folder)).records)).toEqual(texts(4, 2))
  await expect(openSpool(folder), 'the lock is there again').rejects.toThrow('writes here')
})

test('AU-1 a folder that may not be written is tried again until it may', async () => {
  for (const code of ['EACCES', 'EROFS']) {
    const folder = await temporaryFolder()
    let broken = false
    const create = (file: string) => {
      if (broken) throw systemError(code)
      return SPOOL_FILES.create(file)
    }
    const spool = await openSpool(folder, { segmentBytes: 100, fs: faulty({ create }) })
    await append(spool, texts(1))
    broken = true
    await until('the failure', async () => (await append(spool, texts(1)))[0] === undefined)
    expect(spool.state()).toMatchObject({ health: 'failing', code })
    broken = false
    await until('service', async () => (await append(spool, ['"back"']))[0], 5000)
    const { records, gaps } = await readAll(folder)
    expect(decisions(records).at(-1)).toBe('"back"')
    expect(gaps).toEqual([])
    expect(await faultsOf(folder)).toEqual([])
  }
})

test('AU-1 a spool opens on a full disk, refuses, and goes on when there is room', async () => {
  const folder = await temporaryFolder()
  const disk = smallDisk(folder, 0)
  const spool = await openSpool(folder, { fs: disk.files })
  expect(await append(spool, texts(2))).toEqual([undefined, undefined])
  expect(spool.state().health).toBe('full')
  disk.capacity = 2 ** 30
  await until('service', async () => (await append(spool, texts(1)))[0], 5000)
  expect(decisions((await readAll(folder)).records)).toEqual(texts(1))
})

test('AU-1 a folder that cannot be made is told at once, by name', async () => {
  const file = join(await temporaryFolder(), 'spool')
  await writeFile(file, '')
  await expect(openSpool(file)).rejects.toThrow(file)
})

test('AU-1 a file that may not grow, by the system itself: nothing told is lost, and the spool goes on in the next', async () => {
  const folder = await temporaryFolder()
  // ulimit counts blocks of 512 bytes; the signal would end the process before it sees EFBIG.
  const script = `trap '' XFSZ; ulimit -f 300; exec "$0" --disable-warning=ExperimentalWarning "$@"`
  const child = spawn('/bin/sh', ['-c', script, process.execPath, CHILD, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString('latin1')
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(code).toBe(0)
  const { events, refused, codes } = JSON.parse(out) as { events: string[]; refused: number; codes: string[] }
  expect(codes).toEqual(['EFBIG'])
  expect(refused).toBeGreaterThan(0)
  const { records, gaps } = await readAll(folder)
  const found = records.filter(({ kind }) => kind === 'decision').map(({ event }) => event)
  expect(found).toEqual(events)
  expect(gaps).toEqual([])
  expect((await segmentsIn(folder)).length).toBeGreaterThan(1)
  expect(await faultsOf(folder)).toEqual([])
  expect((await readdir(folder)).filter((name) => name.endsWith('.new'))).toEqual([])
})
