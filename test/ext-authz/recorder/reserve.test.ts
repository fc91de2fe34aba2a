import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openSigningKey } from '../../../ext-authz/audit/signing-key.ts'
import { Reserve } from '../../../ext-authz/recorder/reserve.ts'
import { mountTmpfs } from '../../support/tmpfs.ts'
import { decisionJson, lineJson } from './halves.ts'
import { MemoryStore, NO_MAINTAINER } from './memory-store.ts'
import { testNode } from './recording.ts'

async function folderOfTest(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-reserve-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('AU-3 the reserve takes up its room once, gives it once, and takes it again', async () => {
  const file = join(await folderOfTest(), 'reserve')
  const reserve = new Reserve(file, 3_000_000)
  expect(await reserve.give()).toBe(false)
  await reserve.keep(0)
  expect((await stat(file)).size).toBe(3_000_000)
  expect((await stat(file)).blocks * 512).toBeGreaterThanOrEqual(3_000_000)
  expect(await reserve.give()).toBe(true)
  expect(await reserve.give()).toBe(false)
  await reserve.keep(10_000)
  expect((await stat(file)).size).toBe(3_000_000)
})

test('AU-3 what cannot be kept is tried again ten seconds later, and nobody has to wait for it', async () => {
  const folder = await folderOfTest()
  const reserve = new Reserve(join(folder, 'not yet', 'reserve'), 1_000)
  await reserve.keep(0)
  expect(await reserve.give()).toBe(false)
  const missing = join(folder, 'not yet')
  await rm(missing, { recursive: true, force: true })
  await mkdir(missing)
  await reserve.keep(9_999)
  expect(await readdir(missing)).toEqual([])
  await reserve.keep(10_000)
  expect(await readdir(missing)).toEqual(['reserve'])
})

test('AU-3 on a disk without a byte of room the next batches are written all the same, and make room by that', async ({
  skip,
}) => {
  const disk = await mountTmpfs(40)
  if ('reason' in disk) return skip(disk.reason)
  onTestFinished(() => disk.end())
  const node = testNode()
  const store = new MemoryStore()
  const recorder = await node.recorder({
    writer: store,
    maintainer: NO_MAINTAINER,
    folder: disk.folder,
    key: await openSigningKey(disk.folder),
    batch: { rows: 1, ms: 0 },
  })
  const filler = await disk.fill()
  await expect(writeFile(join(disk.folder, 'one more'), Buffer.alloc(4_096))).rejects.toMatchObject({ code: 'ENOSPC' })
  for (const id of ['first', 'second']) {
    const event = await node.decide(decisionJson(id))
    node.log(lineJson(id, { event }))
    await recorder.round()
  }
  expect([...store.rows.values()].map(({ request_id }) => request_id)).toEqual(['first', 'second'])
  await rm(filler)
})
