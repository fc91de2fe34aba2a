import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LIVE_LOG, oldLog } from '../../runtime/access-log-names.ts'

/** A file of Envoy's access log. */
export interface LogFile {
  readonly name: string
  /** Which file it is, whatever it is called: its inode. */
  readonly identity: string
  readonly size: number
  /** When it last grew, epoch ms. */
  readonly grewAt: number
  /** Undefined for the live file. */
  readonly old: { readonly epochMs: number; readonly ended: boolean } | undefined
}

const LOOKS = 20

/**
 * All files of a log, oldest first, the live one last. A folder that is not there yet has none. Undefined where files were renamed
 * whenever it was looked at, so that one might be missing; look again later. Rejects with other faults of the system.
 */
export async function logFiles(folder: string): Promise<readonly LogFile[] | undefined> {
  for (let looks = 0; looks < LOOKS; looks++) {
    const names = await readdir(folder).catch(unlessMissing([]))
    const files = await Promise.all(names.map((name) => logFile(folder, name)))
    // A file that was renamed between the two looks is in neither list, and its successor would be taken for the next one.
    const still = await readdir(folder).catch(unlessMissing([]))
    if (sameNames(names, still)) return files.filter((file) => file !== undefined).toSorted(byAge)
  }
  return undefined
}

const sameNames = (some: readonly string[], others: readonly string[]) =>
  some.length === others.length && new Set([...some, ...others]).size === some.length

async function logFile(folder: string, name: string): Promise<LogFile | undefined> {
  const old = oldLog(name)
  if (old === undefined && name !== LIVE_LOG) return undefined
  // Renamed since its folder was read: it is found under its new name the next time.
  const info = await stat(join(folder, name)).catch(unlessMissing(undefined))
  if (info === undefined) return undefined
  return { name, identity: identityOf(info), size: info.size, grewAt: info.mtimeMs, old }
}

/** Not with its device, whose number may change when a machine starts again. */
export const identityOf = (info: { readonly ino: number }): string => String(info.ino)

/** What stands for a file or folder that is not there; other faults are thrown on. */
export function unlessMissing<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return instead
    throw error
  }
}

function byAge(a: LogFile, b: LogFile): number {
  if (a.old === undefined || b.old === undefined) return (a.old === undefined ? 1 : 0) - (b.old === undefined ? 1 : 0)
  return a.old.epochMs - b.old.epochMs || (a.name < b.name ? -1 : 1)
}
