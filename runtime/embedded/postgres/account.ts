import { chmod, readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** The user and group that a server runs as. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/** What the kernel and every distribution call `nobody`. */
const NOBODY: Account = { uid: 65_534, gid: 65_534 }

/** Who runs PostgreSQL, which refuses to run as root: `nobody` for root, undefined (the user of this process) for everybody else. */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const users = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const [, uid, gid] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(users) ?? []
  return uid === undefined || uid === '0' ? NOBODY : { uid: Number(uid), gid: Number(gid) }
}

/** The first folder on the way to `path`, or `path` itself, that other users may not enter or read; undefined when there is none. */
export async function closedToOthers(path: string): Promise<string | undefined> {
  const own = await stat(path)
  const needed = own.isDirectory() ? 0o001 : 0o004
  if ((own.mode & needed) === 0) return path
  return path === '/' ? undefined : closedToOthers(dirname(resolve(path)))
}

/** Lets other users pass through a folder of ours, not list it: what is in it has modes of its own. */
export async function letThrough(folder: string): Promise<void> {
  const { mode } = await stat(folder)
  if ((mode & 0o001) === 0) await chmod(folder, (mode & 0o777) | 0o001)
}
