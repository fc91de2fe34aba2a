import {
  closeSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { promisify } from 'node:util'

/** What a spool asks of the file system while it writes; faults are injected here. All but the last two block. */
export interface SpoolFiles {
  /** Makes the folder and its parents where they are missing, mode 0700. */
  makeFolder(folder: string): void
  /** Makes a new file, mode 0600; one that was left under that name is emptied. */
  create(file: string): number
  /** Writes at a position; may write less than asked. */
  write(fd: number, bytes: Buffer, position: number): number
  truncate(fd: number, length: number): void
  close(fd: number): void
  rename(from: string, to: string): void
  /** No error when it is not there. */
  remove(file: string): void
  /** True when `file` is the name of what `fd` writes to: a removed folder takes writes as if it were there. */
  isNameOf(file: string, fd: number): boolean
  datasync(fd: number): Promise<void>
  syncFolder(folder: string): Promise<void>
}

/** The file system of this machine. */
export const SPOOL_FILES: SpoolFiles = {
  makeFolder: (folder) => void mkdirSync(folder, { recursive: true, mode: 0o700 }),
  create: (file) => openSync(file, 'w', 0o600),
  write: (fd, bytes, position) => writeSync(fd, bytes, 0, bytes.length, position),
  truncate: ftruncateSync,
  close: closeSync,
  rename: renameSync,
  remove: (file) => rmSync(file, { force: true }),
  isNameOf: (file, fd) => statSync(file, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino,
  datasync: promisify(fdatasync),
  syncFolder: async (folder) => {
    await using handle = await open(folder, 'r')
    await handle.sync()
  },
}

/** How far a write came, and what ended it early. */
export interface Written {
  readonly bytes: number
  readonly error?: unknown
}

/** Writes all of `bytes` at `position`, in as many writes as it takes: a full disk gives a short write first, then the error. */
export function writeAll(files: SpoolFiles, fd: number, bytes: Buffer, position: number): Written {
  let done = 0
  try {
    while (done < bytes.length) {
      const step = files.write(fd, bytes.subarray(done), position + done)
      if (step === 0) throw new Error('the system wrote nothing and gave no error')
      done += step
    }
    return { bytes: done }
  } catch (error) {
    return { bytes: done, error }
  }
}

/** The system's code of an error, such as `ENOSPC`; `EOTHER` where it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'EOTHER'
}

/** True for an error of the system with this code. */
export function isCode(error: unknown, code: string): boolean {
  return codeOf(error) === code
}

/** Does something whose failure the caller wants as a value, or may ignore. Returns the error. */
export function attempt(step: () => void): unknown {
  try {
    step()
    return undefined
  } catch (error) {
    return error
  }
}

/** A file that others may delete; undefined when it is not there. Reading only, unless told otherwise. */
export async function openIfThere(file: string, flags: 'r' | 'r+' = 'r'): Promise<FileHandle | undefined> {
  try {
    return await open(file, flags)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** No room: on the disk, in the quota of the user, in the largest file that the process may write. */
export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(codeOf(error))
}
