import { mkdir, readdir, rename, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { newestOldLog, nextEpochMs, rotatedLog } from '../../runtime/access-log-names.ts'

/** Which log to rotate, and whom to tell. */
export interface RotationOptions {
  /** Absolute path of the live access log. */
  readonly file: string
  /** Envoy's admin interface, `http://127.0.0.1:9901`. */
  readonly adminUrl: string
  /** Size from which the log is rotated, bytes. */
  readonly maxBytes: number
  /** Epoch ms. */
  readonly now: () => number
}

/**
 * What a look at the log came to. `fits`: nothing to do. `rotated`: Envoy writes a new file. `unopened`: the log was renamed, and Envoy
 * has not said that it opened a new one; it goes on writing the renamed one, nothing is lost, and the next look asks it again.
 */
export type Rotation = 'fits' | 'rotated' | 'unopened'

const REOPEN_TRIES = 3
const REOPEN_TRY_MS = 1_000
const REOPEN_PAUSE_MS = 100

/**
 * Renames a log that has grown to `maxBytes` and has Envoy open a new one. Call it every few seconds, one call at a time. Takes at
 * most a few seconds where Envoy is away; one that starts later opens the live name by itself. Rejects where the folder cannot be
 * read or the file not be renamed.
 */
export async function rotateLog({ file, adminUrl, maxBytes, now }: RotationOptions): Promise<Rotation> {
  const folder = dirname(file)
  const names = await readdir(folder).catch(none([]))
  const size = await stat(file).then(({ size }) => size, none(undefined))
  if (size === undefined) return restored(folder, names, adminUrl)
  if (size < maxBytes) return 'fits'
  const renamed = await rename(file, join(folder, rotatedLog(nextEpochMs(names, now())))).then(() => true, none(false))
  return renamed ? reopened(adminUrl) : 'fits'
}

/** Without a live log Envoy was not reached after a rotation, or somebody removed it and Envoy writes where nobody can read; or it has not begun. */
async function restored(folder: string, names: readonly string[], adminUrl: string): Promise<Rotation> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const came = await reopened(adminUrl)
  return came === 'rotated' || newestOldLog(names)?.ended === false ? came : 'fits'
}

async function reopened(adminUrl: string): Promise<Rotation> {
  for (let tries = 1; ; tries++) {
    if (await asked(adminUrl)) return 'rotated'
    if (tries === REOPEN_TRIES) return 'unopened'
    await pause(REOPEN_PAUSE_MS)
  }
}

async function asked(adminUrl: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(REOPEN_TRY_MS)
    const answer = await fetch(new URL('/reopen_logs', adminUrl), { method: 'POST', signal })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    // Refused, reset or late: an Envoy that is between two lives, or stopped.
    return false
  }
}

/** What stands for a file that is not there (the supervisor renames it too); other faults are thrown on. */
function none<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return instead
    throw error
  }
}
