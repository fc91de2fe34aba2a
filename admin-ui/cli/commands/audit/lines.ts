import { open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CommandFailure, EXIT } from '../../exit-codes.ts'

/** Takes lines as fast as whoever reads them. */
export interface Lines {
  /** False: nobody reads any more, so there is no use in going on. */
  write(line: string): Promise<boolean>
  /** All lines were written and are where they belong. */
  finish(): Promise<void>
  /** They were not: leaves nothing that could pass for whole. */
  abandon(): Promise<void>
}

/** Lines to stdout; a reader that ends early (`| head`) is no error. */
export function stdoutLines(): Lines {
  const out = process.stdout
  let failure: NodeJS.ErrnoException | undefined
  let wake: () => void = () => undefined
  out.on('drain', () => wake())
  out.on('error', (error: NodeJS.ErrnoException) => {
    failure = error
    wake()
  })
  return {
    write: async (line) => {
      if (failure === undefined && !out.write(`${line}\n`)) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      if (failure !== undefined && failure.code !== 'EPIPE') throw failure
      return failure === undefined
    },
    finish: async () => undefined,
    abandon: async () => undefined,
  }
}

/** Bytes that are kept before they are written to a file. */
const CHUNK = 256 * 1_024

/**
 * Lines to a file, which appears under its name only when it is whole: until then it is `<file>.part`. Throws {@link CommandFailure}
 * where it cannot be made, and where another export is at it.
 */
export async function fileLines(file: string): Promise<Lines> {
  const part = `${file}.part`
  const handle = await open(part, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    const why =
      cause.code === 'EEXIST' ? 'is there: another export writes it, or delete it' : `cannot be made (${cause.code})`
    throw new CommandFailure(EXIT.usage, `${part}: ${why}`, { cause })
  })
  let waiting = ''
  const flush = async () => {
    await handle.appendFile(waiting)
    waiting = ''
  }
  return {
    write: async (line) => {
      waiting += `${line}\n`
      if (waiting.length >= CHUNK) await flush()
      return true
    },
    finish: async () => {
      await flush()
      await handle.sync()
      await handle.close()
      await rename(part, file)
      await synced(dirname(file))
    },
    abandon: async () => {
      await handle.close()
      await unlink(part)
    },
  }
}

/** A rename survives a power cut once its folder is on the disk. */
async function synced(folder: string): Promise<void> {
  const handle = await open(folder)
  await handle.sync().finally(() => handle.close())
}
