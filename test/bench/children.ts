import { type ChildProcess, spawn } from 'node:child_process'
import { type Guardian, startGuardian } from '../../runtime/embedded/guardian.ts'

/** How long a process may take to end after SIGTERM before it is killed, ms. */
const GRACE_MS = 3_000

/** Every process of one benchmark; none outlives it, not even when it is killed. */
export class Children {
  readonly #running = new Map<number, ChildProcess>()
  readonly #guardian: Guardian
  readonly #ending = new Set<number>()
  #over = false

  constructor() {
    this.#guardian = startGuardian((how) => process.stderr.write(`the guardian of the benchmark ended: ${how}\n`))
  }

  /**
   * Starts a process in a group of its own, with an IPC channel where it is one of ours. One that ends by itself is a
   * failure of the benchmark: it is said on stderr, and `pid` of the returned process is no longer alive.
   */
  start(name: string, file: string, args: readonly string[], environment: NodeJS.ProcessEnv): Child {
    const ipc = file === process.execPath
    const child = spawn(file, args, {
      stdio: ipc ? ['ignore', 'inherit', 'inherit', 'ipc'] : ['ignore', 'inherit', 'inherit'],
      env: environment,
      detached: true,
    })
    const { pid } = child
    if (pid === undefined) throw new Error(`${name} could not be started: ${file}`)
    this.#running.set(pid, child)
    this.#guard()
    child.once('exit', (code, signal) => {
      this.#running.delete(pid)
      this.#guard()
      if (!this.#over && !this.#ending.has(pid))
        process.stderr.write(`${name} ended early: ${signal ?? `exit code ${code}`}\n`)
    })
    return { pid, process: child }
  }

  /** Ends one before the others: SIGTERM, then SIGKILL after the grace. */
  async endOne({ pid, process: child }: Child): Promise<void> {
    this.#ending.add(pid)
    await ended(child)
  }

  /** Ends all, each by its id: SIGTERM, then SIGKILL after the grace. Resolves when all are gone. */
  async end(): Promise<void> {
    this.#over = true
    await Promise.all([...this.#running.values()].map(ended))
    await this.#guardian.dismiss()
  }

  #guard(): void {
    if (!this.#over) this.#guardian.guard([...this.#running.keys()])
  }
}

/** A started process. */
export interface Child {
  readonly pid: number
  readonly process: ChildProcess
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const late = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
    child.once('exit', () => {
      clearTimeout(late)
      resolve()
    })
    child.kill('SIGTERM')
  })
}
