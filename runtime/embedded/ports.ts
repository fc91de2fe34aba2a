import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename } from 'node:path'
import { processRow } from './processes.ts'

/** A TCP port that a part will listen on, and the setting that moves it. */
export interface PortUse {
  readonly address: string
  readonly port: number
  /** Name of the environment variable to set to another port. */
  readonly setting: string
}

/** Throws, naming every port of the list that is taken, by which process, and what to do. */
export async function checkPorts(uses: readonly PortUse[]): Promise<void> {
  const taken: PortUse[] = []
  for (const use of uses) if (!(await isFree(use))) taken.push(use)
  if (taken.length === 0) return
  throw new Error(
    taken
      .map(
        (use) => `port ${use.port} is taken by ${holderOf(use.port)}: stop it, or set ${use.setting} to another port`,
      )
      .join('\n'),
  )
}

async function isFree(use: PortUse): Promise<boolean> {
  try {
    const server = await listen(use.port, use.address)
    await new Promise((resolve) => server.close(resolve))
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EADDRINUSE') return false
    if (code === 'EACCES') {
      throw new Error(`port ${use.port} is reserved for root: set ${use.setting} to one above 1023`, { cause: error })
    }
    throw error
  }
}

function listen(port: number, address: string) {
  return new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(port, address, () => resolve(server))
  })
}

/** "nginx (pid 71)", or who it must be when this user may not look. */
function holderOf(port: number): string {
  const inodes = listeningInodes(port)
  const pid = inodes.size === 0 ? undefined : pidHolding(inodes)
  if (pid === undefined) return "another user's process (as root, `ss -ltnp` names it)"
  return `${programOf(pid)} (pid ${pid})`
}

/** The program's file name; /proc's own name is that of a thread, `MainThread` for every Node. */
function programOf(pid: number): string {
  const [program = ''] = textOf(`/proc/${pid}/cmdline`).split('\0')
  return basename(program) || processRow(pid)?.name || 'a process'
}

const LISTENING = '0A'

/** Socket inodes that listen on the port, from the kernel's tables (proc_net_tcp). */
function listeningInodes(port: number): Set<string> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => linesOf(file))
  const fields = rows.map((row) => row.trim().split(/\s+/))
  const ours = fields.filter(([, local, , state]) => state === LISTENING && local?.endsWith(`:${hex}`))
  return new Set(ours.map((row) => row[9] ?? ''))
}

function pidHolding(inodes: ReadonlySet<string>): number | undefined {
  const links = new Set([...inodes].map((inode) => `socket:[${inode}]`))
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))
  return pids.map(Number).find((pid) => openFilesOf(pid).some((target) => links.has(target)))
}

/** What a process has open; without what it closes meanwhile, empty when it is another user's or has just ended. */
function openFilesOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`
  return entriesOf(folder).flatMap((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`)
    } catch {
      return []
    }
  })
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Without IPv6 there is no tcp6 table: no lines. */
function linesOf(file: string): string[] {
  return textOf(file).split('\n').slice(1)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
