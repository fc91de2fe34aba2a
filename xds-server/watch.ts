import { coverage, differ, foldersOf, looksOf, type Seen, type Watched } from './looks.ts'
import { folderReports } from './reports.ts'

/** How long the files must be quiet before they are looked at, ms: one save of an editor is several writes. */
const QUIET_MS = 50

/** They are looked at the latest after this, ms, however busy they are. */
const AT_MOST_MS = 400

/** They are looked at this often in any case, ms: the system does not report every change. */
const LOOK_EVERY_MS = 1_000

/** A running watch. */
export interface Watch {
  /** Watches these from now on; what is no longer named is left alone. */
  retarget(watched: Watched): void
  close(): Promise<void>
}

/**
 * Tells of changes, several in quick succession as one. A report of the system only causes a look at the files; what tells is a
 * difference to the look before. So a folder that is removed and comes back, a link that is turned to another folder (how Kubernetes
 * updates a mounted ConfigMap or Secret) and a file system without reports are told too, about a second later. Resolves when the files
 * have been looked at, so that no later edit is missed. `failed` hears, once for a folder, what the system refuses, such as one more watch.
 */
export async function watchFiles(
  first: Watched,
  changed: () => void,
  failed: (error: unknown) => void,
): Promise<Watch> {
  let wanted = first
  let seen: Seen = { looks: new Map(), covers: coverage(first) }
  let toldAt = Date.now()
  let closed = false
  let waiting = false
  const lookAgain = async (): Promise<Seen> => {
    const watched = wanted
    await reports.follow(foldersOf(watched))
    return { looks: await looksOf(watched), covers: coverage(watched) }
  }
  const compare = async () => {
    const [before, at] = [seen, Date.now()]
    seen = await lookAgain()
    if (closed || !differ(before, seen, toldAt)) return
    toldAt = at
    changed()
  }
  const soon = debounced(() => {
    // On a file system that hangs, one look waits and not one for each second.
    if (waiting) return
    waiting = true
    looking = looking.then(() => {
      waiting = false
      return compare()
    })
  })
  const reports = folderReports(soon, failed)
  let looking: Promise<void> = lookAgain().then((looks) => {
    seen = looks
  })
  await looking
  const regularly = setInterval(soon, LOOK_EVERY_MS)
  return {
    retarget: (next) => {
      wanted = next
      soon()
    },
    close: async () => {
      closed = true
      clearInterval(regularly)
      soon.cancel()
      await looking
      reports.close()
    },
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
