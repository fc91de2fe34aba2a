import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A small file system of its own, for tests of full disks. */
export interface Tmpfs {
  readonly folder: string
  /** Takes what space is left, to the last byte; resolves with the file that does. */
  fill(): Promise<string>
  end(): Promise<void>
}

/** The file system, or why there is none: only root may mount, and not in every container. */
export async function mountTmpfs(mebibytes: number): Promise<Tmpfs | { readonly reason: string }> {
  if (process.getuid?.() !== 0) return { reason: 'only root may mount a tmpfs' }
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-full-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=0700`, 'tmpfs', folder])
  } catch (error) {
    await rm(folder, { recursive: true })
    return { reason: `mounting a tmpfs is not allowed here: ${error instanceof Error ? error.message : error}` }
  }
  await chmod(folder, 0o700)
  return {
    folder,
    fill: () => filled(join(folder, 'something-else'), mebibytes),
    end: async () => {
      await run('umount', [folder])
      await rm(folder, { recursive: true })
    },
  }
}

async function filled(file: string, mebibytes: number): Promise<string> {
  const refused = await writeFile(file, Buffer.alloc((mebibytes + 1) * 2 ** 20)).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error,
  )
  if (refused?.code !== 'ENOSPC') throw new Error('a file larger than the file system was taken', { cause: refused })
  return file
}
