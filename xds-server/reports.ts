import { type FSWatcher, watch } from 'node:fs'
import { statOf } from './looks.ts'

/** What the system reports of some folders. */
export interface FolderReports {
  /** Follows exactly these; a folder that was replaced by another of its name is followed anew. Must not overlap with itself. */
  follow(folders: ReadonlySet<string>): Promise<void>
  close(): void
}

interface Followed {
  /** Which folder has the name: its device and inode. */
  readonly identity: string
  /** Undefined where the system refuses. */
  readonly watcher: FSWatcher | undefined
}

/** Calls `heard` for every report of a change directly in a followed folder; `failed` hears each refusal of the system once. */
export function folderReports(heard: () => void, failed: (error: unknown) => void): FolderReports {
  const followed = new Map<string, Followed>()
  const leave = (folder: string) => {
    followed.get(folder)?.watcher?.close()
    followed.delete(folder)
  }
  const visit = async (folder: string) => {
    const identity = await identityOf(folder)
    if (identity === followed.get(folder)?.identity) return
    leave(folder)
    if (identity !== undefined) followed.set(folder, { identity, watcher: started(folder, heard, failed) })
  }
  return {
    follow: async (folders) => {
      for (const folder of followed.keys()) if (!folders.has(folder)) leave(folder)
      for (const folder of folders) await visit(folder)
    },
    close: () => {
      for (const folder of followed.keys()) leave(folder)
    },
  }
}

/** Undefined while there is no such folder. */
async function identityOf(folder: string): Promise<string | undefined> {
  const stats = await statOf(folder)
  return stats?.isDirectory() ? `${stats.dev} ${stats.ino}` : undefined
}

function started(folder: string, heard: () => void, failed: (error: unknown) => void): FSWatcher | undefined {
  try {
    return watch(folder, { persistent: false }, heard).on('error', failed)
  } catch (error) {
    failed(error)
    return undefined
  }
}
