import { readFile, rm, writeFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { isAlive } from './processes.ts'

/**
 * Runs `work` while holding a lock file, so that processes that start together do it once. The lock of a process that died
 * is taken over. It only saves double work: whatever `work` writes must be safe to write twice (temporary name, then rename).
 * Throws after `deadlineMs` of waiting, naming the holder.
 */
export async function withLock<T>(file: string, work: () => Promise<T>, deadlineMs = 300_000): Promise<T> {
  const until = Date.now() + deadlineMs
  while (!(await acquire(file))) {
    const holder = await holderOf(file)
    if (holder !== undefined && !isAlive(holder)) await rm(file, { force: true })
    else if (Date.now() > until)
      throw new Error(
        `${file}: still held by process ${holder ?? 'unknown'} after ${deadlineMs} ms; delete it if that process is stuck`,
      )
    else await pause(50)
  }
  try {
    return await work()
  } finally {
    await rm(file, { force: true })
  }
}

async function acquire(file: string): Promise<boolean> {
  try {
    await writeFile(file, String(process.pid), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  }
}

/** Undefined while the holder has not yet written its id, or has just let go. */
async function holderOf(file: string): Promise<number | undefined> {
  try {
    const pid = Number.parseInt(await readFile(file, 'utf8'), 10)
    return Number.isInteger(pid) ? pid : undefined
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
