import { join } from 'node:path'
import { type SpoolFiles, writeAll } from './files.ts'

/** Name of the file that only takes up room; the quota does not count it. */
export const BALLAST = 'ballast'
const BALLAST_BYTES = 2 ** 16
/** There must be room for twice of it before a full disk counts as free again, so that it does not come and go. */
const PROBE = Buffer.alloc(2 * BALLAST_BYTES)

/** Keeps some room for the last words on a full disk. Throws when there is none. */
export function fillBallast(files: SpoolFiles, folder: string): void {
  const file = join(folder, BALLAST)
  const fd = files.create(file)
  try {
    const { error } = writeAll(files, fd, PROBE, 0)
    files.truncate(fd, error === undefined ? BALLAST_BYTES : 0)
    if (error !== undefined) throw error
  } finally {
    files.close(fd)
  }
}

/** Gives the room back. */
export function dropBallast(files: SpoolFiles, folder: string): void {
  files.remove(join(folder, BALLAST))
}
