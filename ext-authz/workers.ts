import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { AggregatorRegistry } from 'prom-client'
import type { Log } from '../runtime/log.ts'
import type { MetricsSource } from '../runtime/operations.ts'
import { heartbeat, SILENT_BEATS, STARTING_BEATS } from './heartbeat.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'
import { WORKER_FLAGS, workerEnvironment } from './worker-process.ts'

const WORKER = fileURLToPath(new URL('./worker-main.ts', import.meta.url))
const METRICS_TIMEOUT_MS = 1000
const MAX_BACKOFF_MS = 5000
const FIRST_BACKOFF_MS = 100
/** A worker that lived this long starts again at once. */
const STEADY_MS = 10_000
/** How long a worker has to drain, ms; the main process's own drain ends at 4,000. */
const KILL_AFTER_MS = 3_500
/** How often one of the workers is asked whether its socket is still there, ms. */
const LOOK_EVERY_MS = 1_000

/** One worker's life. */
type WorkerState =
  | { readonly at: 'starting' | 'serving'; readonly child: ChildProcess; readonly since: number }
  | { readonly at: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly at: 'stopped' }

/** The worker processes behind Envoy's authorization cluster: one per socket, restarted when they end. */
export class Workers implements MetricsSource {
  readonly contentType = new AggregatorRegistry().contentType
  readonly #states: WorkerState[] = []
  readonly #backoffs: number[] = []
  readonly #runDir: string
  readonly #log: Log
  readonly #onChange: (serving: number, wanted: number) => void
  readonly #looking: NodeJS.Timeout
  #nextQuestion = 1
  #nextLook = 0
  #stopping = false

  constructor(count: number, runDir: string, log: Log, onChange: (serving: number, wanted: number) => void) {
    this.#runDir = runDir
    this.#log = log
    this.#onChange = onChange
    for (let index = 0; index < count; index++) {
      this.#states.push({ at: 'stopped' })
      this.#backoffs.push(0)
      this.#start(index)
    }
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY_MS)
    // Nobody else would end a worker that does not hear its channel close.
    process.once('exit', () => this.#kill())
  }

  /** The metrics of all workers that answer in time, summed. */
  async metrics(): Promise<string> {
    const asked = this.#states.flatMap((state) => (state.at === 'serving' ? [this.#ask(state.child)] : []))
    const answers = (await Promise.all(asked)).filter((values) => values !== undefined)
    return AggregatorRegistry.aggregate(answers).metrics()
  }

  /** Asks every worker to drain and waits until all have ended; those that have not after 3.5 s are killed. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearInterval(this.#looking)
    for (const state of this.#states) if (state.at === 'waiting') clearTimeout(state.timer)
    const late = setTimeout(() => {
      this.#log.error(`workers did not drain in ${KILL_AFTER_MS} ms and are killed`)
      this.#kill()
    }, KILL_AFTER_MS)
    await Promise.all(this.#children().map(ended))
    clearTimeout(late)
  }

  #children(): ChildProcess[] {
    return this.#states.flatMap((state) => ('child' in state ? [state.child] : []))
  }

  #kill(): void {
    for (const child of this.#children()) child.kill('SIGKILL')
  }

  /** One worker at a time, and only while all serve: a worker whose socket is gone drains itself, and the others go on. */
  #look(): void {
    const child = this.#states.every(({ at }) => at === 'serving') ? this.#children()[this.#nextLook] : undefined
    this.#nextLook = (this.#nextLook + 1) % this.#states.length
    const question: ToWorker = { kind: 'look' }
    if (child?.connected) child.send(question, () => undefined)
  }

  #start(index: number): void {
    const child = spawn(process.execPath, [...WORKER_FLAGS, WORKER, String(index)], {
      env: { ...process.env, ...workerEnvironment(this.#runDir) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#states[index] = { at: 'starting', child, since: Date.now() }
    child.on('message', (message: FromWorker) => {
      if (message.kind === 'serving') this.#move(index, { at: 'serving', child, since: Date.now() })
    })
    const patience = () => (this.#states[index]?.at === 'serving' ? SILENT_BEATS : STARTING_BEATS)
    const rest = heartbeat(child, patience, (beats) => {
      this.#log.error({ worker: index }, `worker has not answered for ${beats} s and is killed`)
      child.kill('SIGKILL')
    })
    // 'exit' and not 'close': the socket file may be taken over as soon as the process is gone.
    child.once('exit', (code, signal) => {
      rest()
      this.#ended(index, { code, signal })
    })
    child.once('error', (err) => {
      this.#log.error({ err, worker: index }, 'worker could not be started')
      // Without a process (too many files, too many processes) there is no exit to come.
      if (child.pid !== undefined) return
      rest()
      this.#ended(index, { code: null, signal: null })
    })
  }

  #ended(index: number, why: { code: number | null; signal: NodeJS.Signals | null }): void {
    const state = this.#states[index]
    if (this.#stopping || state?.at === 'stopped') {
      this.#move(index, { at: 'stopped' })
      return
    }
    const steady = state !== undefined && 'since' in state && Date.now() - state.since > STEADY_MS
    const delay = steady ? 0 : (this.#backoffs[index] ?? 0)
    this.#backoffs[index] = Math.min(Math.max(FIRST_BACKOFF_MS, delay * 2), MAX_BACKOFF_MS)
    this.#log.error({ worker: index, ...why, restartInMs: delay }, 'worker ended; it is started again')
    this.#move(index, { at: 'waiting', timer: setTimeout(() => this.#start(index), delay) })
  }

  #move(index: number, state: WorkerState): void {
    this.#states[index] = state
    this.#onChange(this.#states.filter(({ at }) => at === 'serving').length, this.#states.length)
  }

  #ask(child: ChildProcess): Promise<readonly object[] | undefined> {
    const id = this.#nextQuestion++
    return new Promise((resolve) => {
      const onMessage = (message: FromWorker) => {
        if (message.kind === 'metrics' && message.id === id) settle(message.values)
      }
      const settle = (values: readonly object[] | undefined) => {
        clearTimeout(timer)
        child.off('message', onMessage)
        resolve(values)
      }
      const timer = setTimeout(() => settle(undefined), METRICS_TIMEOUT_MS)
      child.on('message', onMessage)
      const question: ToWorker = { kind: 'metrics', id }
      child.send(question, (error) => {
        if (error !== null) settle(undefined)
      })
    })
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })
}
