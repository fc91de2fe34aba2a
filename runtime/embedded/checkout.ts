import { access, constants, mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'

/** Root of the checkout that this process runs from; absolute. */
export const CHECKOUT = resolve(import.meta.dirname, '../..')

/** What `up` keeps between runs: downloads, development keys, logs. Git-ignored; deleting it loses nothing but time. */
export const STATE = join(CHECKOUT, '.sallyport')

/** Makes `folder` (mode 0700) if need be. Throws a readable error where this user may not write. */
export async function writableFolder(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await access(folder, constants.W_OK | constants.X_OK)
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? `, ${String(cause.code)}` : ''
    throw new Error(
      `${folder}: this user (uid ${process.getuid?.() ?? 'unknown'}${why}) may not write here; run in a checkout of your own, or give it to this user with chown`,
      { cause },
    )
  }
  return folder
}
