import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import { expect, onTestFinished, test } from 'vitest'
import { SpoolMetrics } from '../../../../ext-authz/audit/spool/metrics.ts'
import { Quota, type QuotaOptions } from '../../../../ext-authz/audit/spool/quota.ts'
import { until } from '../../../support/until.ts'
import { append, openSpool, smallDisk, temporaryFolder, texts, usedIn } from './support.ts'

const ROOM = { free: 2 ** 40, size: 2 ** 41 }

function quotaOf(options: Partial<QuotaOptions> & Pick<QuotaOptions, 'folders'>): Quota {
  const quota = new Quota({ bytes: 1000, room: async () => ROOM, ...options })
  onTestFinished(() => quota.stop())
  return quota
}

test('AU-1 the quota counts spools and log together and has its levels at 70, 85 and 95 %', async () => {
  const root = await temporaryFolder()
  const [spool, log] = [join(root, 'spool/0'), join(root, 'access')]
  for (const folder of [spool, log]) await mkdir(folder, { recursive: true })
  const quota = quotaOf({ folders: [join(root, 'spool'), log, join(root, 'missing')] })
  await writeFile(join(spool, 'ballast'), Buffer.alloc(5000))
  const seen: [number, string][] = []
  for (const bytes of [0, 199, 200, 349, 350, 449, 450, 5000]) {
    await writeFile(join(spool, 'a.seg'), Buffer.alloc(500))
    await writeFile(join(log, 'access.log'), Buffer.alloc(bytes))
    await quota.look()
    seen.push([quota.used(), quota.level()])
  }
  expect(seen).toEqual([
    [500, 'ok'],
    [699, 'ok'],
    [700, 'warn'],
    [849, 'warn'],
    [850, 'high'],
    [949, 'high'],
    [950, 'full'],
    [5500, 'full'],
  ])
})

test('AU-1 a level ends only five hundredths below where it begins: it does not come and go', async () => {
  const folder = await temporaryFolder()
  const quota = quotaOf({ folders: [folder] })
  const seen: string[] = []
  for (const bytes of [950, 910, 949, 899, 860, 810, 799, 660, 649, 699]) {
    await writeFile(join(folder, 'a.seg'), Buffer.alloc(bytes))
    await quota.look()
    seen.push(quota.level())
  }
  expect(seen).toEqual(['full', 'full', 'full', 'high', 'high', 'high', 'warn', 'warn', 'ok', 'ok'])
})

test('AU-1 a file system without room is full, whatever the quota; with twice the reserve it is no more', async () => {
  const folder = await temporaryFolder()
  let free = 2 ** 24
  const quota = quotaOf({ folders: [folder], bytes: 2 ** 30, room: async () => ({ free, size: 2 ** 34 }) })
  const seen: string[] = []
  for (free of [2 ** 24, 2 ** 24 - 1, 2 ** 24 + 1, 2 ** 25 - 1, 2 ** 25]) {
    await quota.look()
    seen.push(quota.level())
  }
  expect(seen).toEqual(['ok', 'full', 'full', 'full', 'ok'])
})

test('AU-1 the quota looks by itself, at once and then each second', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'a.seg'), Buffer.alloc(2000))
  const quota = quotaOf({ folders: [folder] })
  await until('the first look', () => quota.level() === 'full')
  await writeFile(join(folder, 'a.seg'), '')
  await until('the next look', () => quota.level() === 'ok', 5000)
})

test('OB-1 the metrics of a spool: records, refusals, errors by code, syncs, depth, full', async () => {
  const folder = await temporaryFolder()
  const registry = new Registry()
  const metrics = new SpoolMetrics(registry)
  const disk = smallDisk(folder, 2 ** 30)
  const spool = await openSpool(folder, { onSync: metrics.synced, fs: disk.files })
  metrics.follow(spool, folder)
  await append(spool, texts(3))
  await until('the sync', () => spool.state().unsyncedBytes === 0)
  disk.capacity = usedIn(folder)
  await append(spool, texts(2))
  const text = await registry.metrics()
  const value = (name: string) => Number(text.match(new RegExp(`^${name} (\\S+)$`, 'm'))?.[1])
  // Three decisions and the note that the spool is full.
  expect(value('spool_records_total')).toBe(4)
  expect(value('spool_refused_records_total')).toBe(2)
  expect(value('spool_errors_total\\{code="ENOSPC"\\}')).toBe(1)
  expect(value('spool_full')).toBe(1)
  expect(value('spool_failing')).toBe(0)
  expect(value('spool_segments')).toBe(1)
  expect(value('spool_depth_bytes')).toBe(spool.state().counts.bytes)
  expect(value('spool_fdatasync_seconds_count')).toBeGreaterThan(0)
  expect(await registry.metrics()).toContain('spool_records_total 4')
})
