import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type ProcessRow, processRow } from '../processes.ts'

/** How long back ends whose postmaster died are waited for before they are killed, ms. Idle ones leave at once. */
const PATIENCE_MS = 2_000
const GONE_WITHIN_MS = 5_000
const LOOK_EVERY_MS = 20

/** A data folder and the `cluster_name` that its server's processes carry in their titles. */
export interface ServedData {
  readonly data: string
  readonly clusterName: string
}

/**
 * Every living process of the server on this data folder. Its back ends have sessions of their own and outlive a killed postmaster, so
 * neither session nor parent finds them; what they call themselves does, also without the right to look into them.
 */
export function serverProcesses({ data, clusterName }: ServedData): ProcessRow[] {
  const isOurs = (title: string) =>
    title.startsWith(`postgres: ${clusterName}: `) || title.includes(`/postgres\0-D\0${data}\0`)
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && isOurs(titleOf(entry)))
    .map((entry) => processRow(Number(entry)))
    .filter((row) => row !== undefined)
}

/**
 * Waits until no process of the server is left (they keep its shared memory, and a new one would not start), kills those that stay,
 * and removes the lock file of the dead: its pid may belong to somebody else by now. Throws when the kernel keeps one.
 */
export async function untilServerGone(served: ServedData): Promise<void> {
  const began = performance.now()
  for (let left = serverProcesses(served); left.length > 0; left = serverProcesses(served)) {
    const waited = performance.now() - began
    if (waited > GONE_WITHIN_MS) {
      const pids = left.map(({ pid }) => pid).join(', ')
      throw new Error(`${served.data}: PostgreSQL's processes ${pids} do not end; end them, then start again`)
    }
    if (waited > PATIENCE_MS) for (const { pid } of left) kill(pid)
    await pause(LOOK_EVERY_MS)
  }
  rmSync(join(served.data, 'postmaster.pid'), { force: true })
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already, or another user's, which the deadline reports.
  }
}

function titleOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
