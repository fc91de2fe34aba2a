import { dirname, resolve } from 'node:path'
import { type FSWatcher, watch } from 'chokidar'

/** What is watched. */
export interface Watched {
  /** Folders in which every file counts, such as the definitions; not their subfolders. */
  readonly folders: readonly string[]
  /** Single files: they may be missing now, and be replaced by a rename or through a link. */
  readonly files: readonly string[]
}

/** How long the files must be quiet before a change is told, ms: one save of an editor is several writes. */
const QUIET_MS = 50

/** A change is told at the latest after this, ms, however busy the files are. */
const AT_MOST_MS = 400

/** A running watch. */
export interface Watch {
  /** Watches these from now on; what is no longer named is left alone. */
  retarget(watched: Watched): void
  close(): Promise<void>
}

/**
 * Tells of changes, several in quick succession as one. Resolves when every file is being watched, so that no edit is missed between
 * a first look and the watch. `failed` hears what the system refuses, such as an exhausted number of watches.
 */
export function watchFiles(watched: Watched, changed: () => void, failed: (error: unknown) => void): Promise<Watch> {
  let wanted = interests(watched)
  const tell = debounced(changed)
  const watcher = watch([...wanted.directories], {
    depth: 0,
    ignoreInitial: true,
    ignored: (path, stats) => stats !== undefined && !stats.isDirectory() && !wanted.counts(path),
  })
  watcher.on('all', (_event, path) => {
    if (wanted.counts(path)) tell()
  })
  watcher.on('error', failed)
  const retarget = (next: Watched) => {
    const before = wanted.directories
    wanted = interests(next)
    watcher.add([...wanted.directories.difference(before)])
    watcher.unwatch([...before.difference(wanted.directories)])
  }
  return started(watcher, { retarget, close: () => closed(watcher, tell) })
}

async function closed(watcher: FSWatcher, tell: Debounced): Promise<void> {
  tell.cancel()
  await watcher.close()
}

function started(watcher: FSWatcher, running: Watch): Promise<Watch> {
  return new Promise((resolved) => watcher.once('ready', () => resolved(running)))
}

/** A file is watched through its folder: a watch on the file itself would follow the old one when another takes its name. */
function interests({ folders, files }: Watched) {
  const whole = new Set(folders.map((folder) => resolve(folder)))
  const single = new Set(files.map((file) => resolve(file)))
  return {
    directories: new Set([...whole, ...[...single].map((file) => dirname(file))]),
    counts: (path: string) => single.has(resolve(path)) || whole.has(dirname(resolve(path))),
  }
}

interface Debounced {
  (): void
  cancel(): void
}

function debounced(act: () => void): Debounced {
  let quiet: NodeJS.Timeout | undefined
  let latest: NodeJS.Timeout | undefined
  const cancel = () => {
    clearTimeout(quiet)
    clearTimeout(latest)
    latest = undefined
  }
  const fire = () => {
    cancel()
    act()
  }
  const tell = () => {
    clearTimeout(quiet)
    quiet = setTimeout(fire, QUIET_MS)
    latest ??= setTimeout(fire, AT_MOST_MS)
  }
  return Object.assign(tell, { cancel })
}
