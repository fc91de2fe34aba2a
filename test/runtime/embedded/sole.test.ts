import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withLock } from '../../../runtime/embedded/lock.ts'
import { processRow } from '../../../runtime/embedded/processes.ts'
import { claimSole } from '../../../runtime/embedded/sole.ts'
import { temporaryFolder } from './temporary-folder.ts'

const parent = { pid: process.ppid, startedAt: processRow(process.ppid)?.startedAt }

test('a claim holds while its process runs, and says which that is', async () => {
  const note = join(temporaryFolder(), 'note.json')
  writeFileSync(note, JSON.stringify(parent))
  await expect(claimSole(note)).rejects.toThrow(`it runs here already (pid ${process.ppid})`)
  expect(JSON.parse(readFileSync(note, 'utf8'))).toEqual(parent)
})

test.each([
  ['of a process that is gone though its pid came again', JSON.stringify({ ...parent, startedAt: '1' })],
  ['that a crash cut short', '{"pid":'],
  ['that is empty', ''],
])('a claim %s does not count', async (_, left) => {
  const folder = temporaryFolder()
  const note = join(folder, 'note.json')
  writeFileSync(note, left)
  const release = await claimSole(note)
  await expect(claimSole(note)).rejects.toThrow(`it runs here already (pid ${process.pid})`)
  await release()
  expect(readdirSync(folder)).toEqual([])
})

test('of many that come at once upon a left lock, one works at a time', async () => {
  const file = join(temporaryFolder(), 'lock')
  writeFileSync(file, JSON.stringify({ ...parent, startedAt: '1' }))
  let inside = 0
  let most = 0
  const work = async () => {
    inside += 1
    most = Math.max(most, inside)
    await new Promise((resolve) => setImmediate(resolve))
    inside -= 1
  }
  await Promise.all(Array.from({ length: 16 }, () => withLock(file, work)))
  expect(most).toBe(1)
  expect(existsSync(file)).toBe(false)
})

test('who waits for a lock is told of its holder once, and at the deadline gives up with its name', async () => {
  const file = join(temporaryFolder(), 'lock')
  writeFileSync(file, JSON.stringify(parent))
  const holders: number[] = []
  const waiting = { waiting: ({ pid }: { pid: number }) => void holders.push(pid), deadlineMs: 120 }
  await expect(withLock(file, async () => undefined, waiting)).rejects.toThrow(`held by process ${process.ppid}`)
  expect(holders).toEqual([process.ppid])
})
