import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes `content` what a file holds, whole or not at all, also when the power fails: written beside it, synced, renamed, folder synced.
 * One writer a file: what a killed one left beside it is overwritten. Rejects with the system's error, and then the file is as it was.
 */
export async function writeDurably(
  file: string,
  content: string | Buffer | readonly Buffer[],
  mode = 0o600,
): Promise<void> {
  const draft = `${file}.new`
  const handle = await open(draft, 'w', mode)
  try {
    for (const part of Array.isArray(content) ? content : [content]) await handle.writeFile(part)
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rename(draft, file)
  await syncFolder(dirname(file))
}

/** Makes renames and removals in a folder last. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
