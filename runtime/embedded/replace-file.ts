import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'

/**
 * Makes `content` the text of a file (mode 0600), whole or not at all; a file that has it already is left alone, so that a full disk
 * costs nothing that was there before. Throws, naming the file and the reason.
 */
export async function replaceFile(file: string, content: string): Promise<void> {
  if ((await readFile(file, 'utf8').catch(() => undefined)) === content) return
  const fresh = `${file}.${randomBytes(6).toString('hex')}.new`
  try {
    await writeFile(fresh, content, { mode: 0o600 })
    await rename(fresh, file)
  } catch (cause) {
    await rm(fresh, { force: true })
    throw cannotWrite(file, cause)
  }
}

/** The error for a file of ours that the system does not let us write. */
export function cannotWrite(file: string, cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new Error(`${file}: cannot be written (${why}); see that the disk has room and the folder is yours`, { cause })
}
