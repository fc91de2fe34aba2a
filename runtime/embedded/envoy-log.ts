import { open, readdir, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { endedLog, newestOldLog, nextEpochMs } from '../access-log-names.ts'
import { writableFolder } from './checkout.ts'

/**
 * Ends the log that an Envoy left behind, so that whoever reads it knows that the Envoy which wrote it is gone. Call it when that
 * one's process has ended and before the next one starts. Makes the folder (mode 0700) if need be; overwrites nothing. `file`:
 * absolute path of the live log. Throws, naming the file, where the system does not let us rename it.
 */
export async function endEnvoyLog(file: string, now: () => number): Promise<void> {
  const folder = await writableFolder(dirname(file))
  const names = await readdir(folder)
  const ended = join(folder, endedLog(nextEpochMs(names, now())))
  try {
    if (names.includes(basename(file))) await rename(file, ended)
    else if (newestOldLog(names)?.ended === false) await mark(ended)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${file}: the log of the Envoy before cannot be put aside (${why}); see that the folder is yours`, {
      cause,
    })
  }
}

/** An empty log: its Envoy ended after its log was rotated and before it opened a new one. */
async function mark(ended: string): Promise<void> {
  const marker = await open(ended, 'wx', 0o600)
  await marker.close()
}
