import { join } from 'node:path'
import { CHECKOUT } from './checkout.ts'
import type { PortUse } from './ports.ts'
import type { ProcessRow } from './processes.ts'

/** One thing that `up` starts, as data: what to run, when it is ready, what must be ready before it. */
export interface Part {
  readonly name: string
  /** Names of parts that must be ready first. */
  readonly needs: readonly string[]
  /** Checked to be free before anything starts. */
  readonly ports: readonly PortUse[]
  /** Asked for at every start and restart. */
  command(): Promise<Command> | Command
  /** Asked about every few milliseconds: the address to show once it serves, undefined until then. */
  probe(signal: AbortSignal): Promise<string | undefined>
  /** True: may take as long as a person needs (a definition has to be mended); else 30 s, then it has failed. */
  readonly waitsForPeople?: boolean
  /** The signal that asks it to stop. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
  /** Living processes of it that left its session; they end with it. Default none. */
  strays?(): readonly ProcessRow[]
  /** Picks the lines of its output that belong on the terminal. Default none. */
  show?(line: string): string | undefined
}

/** A process to run; the environment is complete, nothing is inherited. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Working directory; default this process's. */
  readonly cwd?: string
  /** Runs as this user, for what refuses to run as root; default this process's. */
  readonly account?: { readonly uid: number; readonly gid: number }
}

/** Variables of the user's environment that parts get: where things are and how to speak; no secrets, no settings. */
const INHERITED = [
  'PATH',
  'HOME',
  'TMPDIR',
  'LANG',
  'LC_ALL',
  'TZ',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
]

/** The environment of a part: the harmless part of ours, and its own settings; an undefined setting is left out. */
export function environmentFor(
  settings: Readonly<Record<string, string | number | undefined>>,
): Record<string, string> {
  const inherited = INHERITED.map((name) => [name, process.env[name]] as const)
  const all = [...inherited, ...Object.entries(settings)]
  return Object.fromEntries(all.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])))
}

/** A command that runs a TypeScript file of this checkout with the Node that runs now. */
export function nodeCommand(
  main: string,
  settings: Readonly<Record<string, string | number | undefined>>,
  flags: readonly string[] = [],
): Command {
  return {
    file: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', ...flags, join(CHECKOUT, main)],
    env: environmentFor(settings),
  }
}

const WARNING = 40

/** For parts that log JSON lines: the message for people of each line at level warn or above; other text as it is. */
export function warnings(line: string): string | undefined {
  if (!line.startsWith('{')) return line
  try {
    const entry: unknown = JSON.parse(line)
    if (typeof entry !== 'object' || entry === null || !('level' in entry) || !('msg' in entry)) return undefined
    return typeof entry.level === 'number' && entry.level >= WARNING ? String(entry.msg) : undefined
  } catch {
    return line
  }
}

/** How one GET went. */
export interface Answer {
  readonly status: number
  readonly body: string
}

/** GETs a URL of a part that may not be there yet: undefined when nobody answers within half a second. */
export async function get(url: string, signal: AbortSignal): Promise<Answer | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(500)]) })
    return { status: response.status, body: await response.text() }
  } catch {
    return undefined
  }
}
