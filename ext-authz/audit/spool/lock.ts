import { closeSync, existsSync, openSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { processRow } from '../../../runtime/embedded/processes.ts'
import { isCode } from './files.ts'

const NAME = /^writer\.(\d+)\.(\d+)\.([^.]*)\.lock$/

/** Somebody else writes the folder. */
class SpoolTaken extends Error {
  override readonly name = 'SpoolTaken'
}

/**
 * Takes a spool's folder for this process, or throws {@link SpoolTaken} naming the living process that has it. The lock is the NAME of
 * an empty file (pid, its start time, boot): a full disk cannot refuse it. Each places its own and then looks for others, so of two
 * that come at once at least one sees the other. What dead processes left is removed. Returns what gives it back.
 */
export function takeLock(folder: string, boot: string): () => void {
  const mine = ownName(boot)
  const release = () => rmSync(join(folder, mine), { force: true })
  place(folder, mine, boot)
  for (const name of readdirSync(folder)) {
    const [, pid, since, itsBoot] = NAME.exec(name) ?? []
    if (pid === undefined || itsBoot === undefined || name === mine) continue
    if (processRow(Number(pid))?.startedAt === since) {
      release()
      throw taken(folder, Number(pid), itsBoot)
    }
    rmSync(join(folder, name), { force: true })
  }
  return release
}

/** True when this process has the folder under this boot. */
export function isLocked(folder: string, boot: string): boolean {
  return existsSync(join(folder, ownName(boot)))
}

function ownName(boot: string): string {
  return `writer.${process.pid}.${processRow(process.pid)?.startedAt ?? '0'}.${boot}.lock`
}

function place(folder: string, name: string, boot: string): void {
  try {
    closeSync(openSync(join(folder, name), 'wx', 0o600))
  } catch (error) {
    throw isCode(error, 'EEXIST') ? taken(folder, process.pid, boot) : error
  }
}

function taken(folder: string, pid: number, boot: string): SpoolTaken {
  const who = `process ${pid} (boot ${boot})`
  return new SpoolTaken(`${folder}: ${who} writes here; stop it, or give this worker a folder of its own`)
}
