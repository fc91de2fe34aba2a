import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import type { Part } from './part.ts'
import { openPartLog, type PartLog } from './part-log.ts'
import { descendantsInSession, type ProcessRow } from './processes.ts'

/** What happens to a part, for whoever watches the terminal or a test. */
export type PartEvent =
  | { readonly kind: 'started'; readonly part: string; readonly pid: number }
  | {
      readonly kind: 'ready'
      readonly part: string
      readonly address: string
      readonly ms: number
      readonly restarts: number
    }
  | { readonly kind: 'ended'; readonly part: string; readonly how: string; readonly nextStartMs: number }
  | { readonly kind: 'said'; readonly part: string; readonly line: string }

/** A part under supervision: started, watched, restarted until it is stopped. */
export interface RunningPart {
  readonly name: string
  /** Of the present process; undefined between two. */
  pid(): number | undefined
  /** Resolves when it first serves; rejects when it ends or its time is up before that. */
  readonly firstReady: Promise<void>
  /** Its stop signal, SIGKILL after `patienceMs` (default {@link KILL_AFTER_MS}); resolves when no process of it is left. */
  stop(patienceMs?: number): Promise<void>
  /** SIGKILL at once. */
  kill(): void
}

/** How long a part has between SIGTERM and SIGKILL, ms. */
export const KILL_AFTER_MS = 4_000
const READY_WITHIN_MS = 30_000
const PROBE_EVERY_MS = 20
const STEADY_AFTER_MS = 10_000
/** How long the last output of an ended process is waited for, ms. */
const CLOSE_WITHIN_MS = 500
/** How long the kernel may take to end what was killed, ms. */
const GONE_WITHIN_MS = 900

/** Pause before restart `n` in a row, counted from 0: at once, 100 ms, then double up to 5 s. */
export function restartDelay(n: number): number {
  return n === 0 ? 0 : Math.min(100 * 2 ** (n - 1), 5_000)
}

/** Starts a part and keeps it running. Its output goes to `logFile`, its events to `tell`. */
export function runPart(part: Part, logFile: string, tell: (event: PartEvent) => void): RunningPart {
  const say = (line: string | undefined) => {
    if (line !== undefined) tell({ kind: 'said', part: part.name, line })
  }
  const log = openPartLog(logFile, (line) => say(part.show?.(line)), say)
  const stopping = new AbortController()
  const first = Promise.withResolvers<void>()
  let child: ChildProcess | undefined
  const set = (next: ChildProcess | undefined) => {
    child = next
  }
  const ended = keepRunning({ part, log, tell, stopped: stopping.signal, first, set })
  return {
    name: part.name,
    pid: () => child?.pid,
    firstReady: first.promise,
    stop: async (patienceMs = KILL_AFTER_MS) => {
      stopping.abort()
      const leader = child?.pid
      if (leader !== undefined)
        await endSession(leader, { first: part.stopSignal, patienceMs, strays: () => part.strays?.() ?? [] })
      await ended
    },
    kill: () => {
      stopping.abort()
      if (child?.pid === undefined) return
      signalAll([...descendantsInSession(child.pid), ...(part.strays?.() ?? [])], 'SIGKILL')
    },
  }
}

interface Life {
  readonly part: Part
  readonly log: PartLog
  readonly tell: (event: PartEvent) => void
  readonly stopped: AbortSignal
  readonly first: PromiseWithResolvers<void>
  readonly set: (child: ChildProcess | undefined) => void
}

/** One turn is one process, from start to end; leaves when stopped, or when the first never became ready. */
async function keepRunning(life: Life): Promise<void> {
  let inARow = 0
  for (let restarts = 0; !life.stopped.aborted; restarts++) {
    const started = Date.now()
    const end = await oneProcess(life, restarts).catch((error: unknown) => ({ ready: false, how: String(error) }))
    if (life.stopped.aborted) break
    if (!end.ready && restarts === 0) return life.first.reject(failure(life, end.how))
    inARow = Date.now() - started > STEADY_AFTER_MS ? 0 : inARow
    const nextStartMs = restartDelay(inARow++)
    life.tell({ kind: 'ended', part: life.part.name, how: end.how, nextStartMs })
    await pause(nextStartMs, undefined, { signal: life.stopped }).catch(() => undefined)
  }
  life.first.reject(new Error(`${life.part.name} was stopped`))
}

interface End {
  readonly ready: boolean
  readonly how: string
}

async function oneProcess(life: Life, restarts: number): Promise<End> {
  const started = Date.now()
  const command = await life.part.command()
  if (life.stopped.aborted) return { ready: false, how: 'stopped' }
  const child = spawn(command.file, command.args, {
    env: command.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    ...command.account,
  })
  life.set(child)
  if (child.pid !== undefined) life.tell({ kind: 'started', part: life.part.name, pid: child.pid })
  const exit = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal))
  })
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.stdout?.setEncoding('utf8').on('data', life.log.write)
  child.stderr?.setEncoding('utf8').on('data', life.log.write)
  const watching = new AbortController()
  const ready = untilReady(life.part, watching.signal).then((address) => {
    if (address === undefined) return false
    life.tell({ kind: 'ready', part: life.part.name, address, ms: Date.now() - started, restarts })
    life.first.resolve()
    return true
  })
  const late = ready.then((isReady) => (isReady || watching.signal.aborted ? exit : giveUp(child)))
  const how = await Promise.race([exit, late])
  watching.abort()
  await exit
  // What a crashed part has left behind holds its ports and sockets; the next one needs them.
  if (child.pid !== undefined && !life.stopped.aborted) {
    await endSession(child.pid, { patienceMs: 0, strays: () => life.part.strays?.() ?? [] })
  }
  await Promise.race([closed, pause(CLOSE_WITHIN_MS, undefined, { ref: false })])
  life.set(undefined)
  return { ready: await ready, how }
}

function giveUp(child: ChildProcess): string {
  if (child.pid !== undefined) signalAll(descendantsInSession(child.pid), 'SIGKILL')
  return `not ready after ${READY_WITHIN_MS / 1000} s`
}

/** The address once the part serves; undefined when its time is up or its process has ended. */
async function untilReady(part: Part, signal: AbortSignal): Promise<string | undefined> {
  const until = part.waitsForPeople ? Number.POSITIVE_INFINITY : Date.now() + READY_WITHIN_MS
  while (!signal.aborted && Date.now() < until) {
    const address = await part.probe(signal)
    if (address !== undefined && !signal.aborted) return address
    await pause(PROBE_EVERY_MS)
  }
  return undefined
}

function failure(life: Life, how: string): Error {
  const tail = life.log.tail().map((line) => `    ${life.part.show?.(line) ?? line}`)
  return new Error([`${life.part.name} did not start: ${how}`, ...tail].join('\n'))
}

/** How a session ends. */
interface Ending {
  /** The signal that asks the leader. Default SIGTERM. */
  readonly first?: NodeJS.Signals | undefined
  /** Before SIGKILL, ms; 0: at once. Default {@link KILL_AFTER_MS}. */
  readonly patienceMs?: number
  /** Processes of the leader outside its session. Default none. */
  readonly strays?: () => readonly ProcessRow[]
}

/**
 * Ends everything that a leader has started: `first` to the leader, then SIGTERM to what it leaves behind, SIGKILL to all after
 * `patienceMs`. Throws when the kernel keeps a killed process (one stuck in I/O), naming it.
 */
export async function endSession(leader: number, ending: Ending = {}): Promise<void> {
  const { first = 'SIGTERM', patienceMs = KILL_AFTER_MS, strays = () => [] } = ending
  const family = () => [...descendantsInSession(leader), ...strays()]
  const killAt = Date.now() + patienceMs
  if (patienceMs > 0) signal(leader, first)
  for (let left = family(); left.length > 0; left = family()) {
    const now = Date.now()
    if (now > killAt + GONE_WITHIN_MS)
      throw new Error(`cannot end ${left.map((row) => `${row.name} (pid ${row.pid})`).join(', ')}`)
    // The leader has been asked; it may take its time to end the others itself.
    const next = now >= killAt ? 'SIGKILL' : left.some((row) => row.pid === leader) ? undefined : 'SIGTERM'
    signalAll(left, next)
    await pause(PROBE_EVERY_MS)
  }
}

function signalAll(rows: readonly ProcessRow[], name: NodeJS.Signals | undefined): void {
  if (name !== undefined) for (const row of rows) signal(row.pid, name)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    // Gone between the look and the signal: what we wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
