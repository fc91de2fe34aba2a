import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { POLICIES_FOLDER } from './definition-files.ts'
import { type EvaluationFault, type EvaluationMessage, FAULT_KINDS, MAX_RESULT_BYTES, RESULT_FD } from './evaluation.ts'

/** A file to evaluate, and which of its exports is wanted. */
export interface Order {
  /** Absolute, symbolic links resolved. */
  readonly file: string
  readonly exported: string
}

/** What came back: of each file its value or at least one fault. */
export interface Evaluation {
  readonly values: ReadonlyMap<string, unknown>
  readonly faults: readonly Fault[]
}

export interface Fault {
  readonly file: string
  readonly fault: EvaluationFault
}

/** One file may use at most this part of the deadline, so that time is left for those after a file that hangs. */
const FILE_SHARE = 0.5
const MAX_STDERR_CHARS = 64 * 1024
/** Memory of the evaluating process, MiB. */
const MAX_HEAP_MIB = 256
/** Node's exit status when a top-level await can never end. */
const UNSETTLED = 13

const END = `${JSON.stringify({ kind: 'end' })}\n`

/** A process that ran: what it said, and how it ended. */
interface Run {
  readonly output: string
  readonly stderr: string
  readonly status: number | null
  readonly killedFor: 'too-slow' | 'too-large' | undefined
}

/**
 * Evaluates files in order, in one throw-away process. A file that hangs or kills the process costs itself only: the
 * files after it get a new process, as long as the deadline allows.
 *
 * Throws the signal's reason when aborted, and an error when no process can be started.
 */
export async function evaluate(
  folder: string,
  orders: readonly Order[],
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<Evaluation> {
  const until = performance.now() + deadlineMs
  const values = new Map<string, unknown>()
  const faults: Fault[] = []
  let rest = orders
  while (rest.length > 0) {
    signal?.throwIfAborted()
    const left = until - performance.now()
    if (left <= 0) break
    const run = await runProcess(folder, rest, { left, perFile: deadlineMs * FILE_SHARE }, signal)
    signal?.throwIfAborted()
    rest = rest.slice(account(run, rest, values, faults))
  }
  faults.push(...rest.map(({ file }) => ({ file, fault: { kind: 'not-evaluated', detail: '' } }) as const))
  return { values, faults }
}

function runProcess(
  folder: string,
  orders: readonly Order[],
  limits: { readonly left: number; readonly perFile: number },
  signal: AbortSignal | undefined,
): Promise<Run> {
  const child = spawn(process.execPath, argumentsFor(folder, orders), {
    env: {},
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  const said = { output: '', stderr: '' }
  let killedFor: Run['killedFor']
  const kill = (reason?: Run['killedFor']) => {
    killedFor ??= reason
    child.kill('SIGKILL')
  }
  const fileTimer = setTimeout(kill, limits.perFile, 'too-slow')
  const timer = setTimeout(kill, limits.left, 'too-slow')
  const aborted = () => kill()
  signal?.addEventListener('abort', aborted, { once: true })
  listen(child.stderr, (text) => {
    if (said.stderr.length < MAX_STDERR_CHARS) said.stderr += text
  })
  listen(child.stdio[RESULT_FD], (text) => {
    fileTimer.refresh()
    said.output += text
    if (said.output.length > MAX_RESULT_BYTES) kill('too-large')
    // All is said; a timer or socket that a definition left open must not keep the process.
    else if (said.output.endsWith(END)) kill()
  })
  return new Promise<Run>((resolve, reject) => {
    child.on('error', (cause) => reject(new Error('the process that evaluates definitions cannot start', { cause })))
    child.on('close', (status) => resolve({ ...said, status, killedFor }))
  }).finally(() => {
    clearTimeout(timer)
    clearTimeout(fileTimer)
    signal?.removeEventListener('abort', aborted)
  })
}

/**
 * Node's options for the evaluating process: what holds even where a definition gets past the guards. It may read two folders; it
 * may not write, start anything or debug. They leave the network open (Node 24 has no wall for it); the guards close that.
 */
export function wallsAround(folder: string): string[] {
  return [
    '--permission',
    `--allow-fs-read=${folder}/`,
    `--allow-fs-read=${POLICIES_FOLDER}/`,
    '--disallow-code-generation-from-strings',
    // One definition changes nothing that the next one uses.
    '--frozen-intrinsics',
    // Its files are beside what --permission looks at (tried with Node 24.21).
    '--no-experimental-sqlite',
    '--no-warnings',
    `--max-old-space-size=${MAX_HEAP_MIB}`,
    '--stack-trace-limit=40',
  ]
}

function argumentsFor(folder: string, orders: readonly Order[]): string[] {
  return [
    ...wallsAround(folder),
    join(import.meta.dirname, 'evaluate-main.ts'),
    folder,
    POLICIES_FOLDER,
    ...orders.map(({ file, exported }) => `${exported}=${file}`),
  ]
}

function listen(stream: Readable | Writable | null | undefined, take: (text: string) => void): void {
  if (!(stream instanceof Readable)) throw new Error('the process that evaluates definitions has no pipe to us')
  stream.setEncoding('utf8').on('data', take)
}

/**
 * Books what a process said; returns how many of its orders are dealt with. A message counts for the file that is being evaluated
 * only, so that no definition can speak for another.
 */
function account(run: Run, orders: readonly Order[], values: Map<string, unknown>, faults: Fault[]): number {
  let begun = 0
  for (const message of run.output.split('\n').map(parseMessage)) {
    if (message?.kind === 'end' && begun === orders.length) return begun
    if (message?.kind === 'begin') begun++
    if (message !== undefined) book(message, orders[begun - 1]?.file, values, faults)
  }
  const culprit = orders[begun - 1]
  if (culprit === undefined) {
    // Killed while it started, on a machine too busy to start it: nobody's fault, and the next try may have the time.
    if (run.killedFor !== undefined) return 0
    throw new Error(`definitions cannot be evaluated: ${ending(run).detail}`)
  }
  faults.push({ file: culprit.file, fault: ending(run) })
  return begun
}

function book(
  message: EvaluationMessage,
  file: string | undefined,
  values: Map<string, unknown>,
  faults: Fault[],
): void {
  if (message.kind === 'value' && message.file === file) values.set(file, message.value)
  if (message.kind === 'fault' && message.file === file) faults.push(message)
}

function ending({ killedFor, status, stderr }: Run): EvaluationFault {
  if (killedFor !== undefined) return { kind: killedFor, detail: '' }
  if (status === UNSETTLED) return { kind: 'too-slow', detail: 'a top-level await never ends' }
  const fatal = stderr.split('\n').find((line) => /FATAL|Error/.test(line)) ?? ''
  return { kind: 'exits', detail: `the process ended (status ${status ?? 'none'}) ${fatal}`.trim() }
}

/** A line of the child as a message. It ran foreign code, so a line that is none is dropped, not trusted. */
function parseMessage(line: string): EvaluationMessage | undefined {
  let message: unknown
  try {
    message = JSON.parse(line)
  } catch {
    // Cut off by a kill, or written by a definition on our descriptor: in both cases the file gets its fault elsewhere.
    return undefined
  }
  return isMessage(message) ? message : undefined
}

function isMessage(value: unknown): value is EvaluationMessage {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  if (value.kind === 'end') return true
  if (!('file' in value) || typeof value.file !== 'string') return false
  if (value.kind === 'fault') return 'fault' in value && isFault(value.fault)
  return value.kind === 'begin' || (value.kind === 'value' && 'value' in value)
}

function isFault(value: unknown): value is EvaluationFault {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('detail' in value)) return false
  return typeof value.detail === 'string' && FAULT_KINDS.some((kind) => kind === value.kind)
}
