import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { AggregatorRegistry } from 'prom-client'
import type { Log } from '../runtime/log.ts'
import type { MetricsSource } from '../runtime/operations.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

const WORKER = fileURLToPath(new URL('./worker-main.ts', import.meta.url))
/** Node 24 doubles its young generation by default; 4 MiB costs no speed here and halves the memory (style.md §4). */
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=4']
const METRICS_TIMEOUT_MS = 1000
const MAX_BACKOFF_MS = 5000
const FIRST_BACKOFF_MS = 100
/** A worker that lived this long starts again at once. */
const STEADY_MS = 10_000

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
  readonly #log: Log
  readonly #onChange: (serving: number, wanted: number) => void
  #nextQuestion = 1
  #stopping = false

  constructor(count: number, log: Log, onChange: (serving: number, wanted: number) => void) {
    this.#log = log
    this.#onChange = onChange
    for (let index = 0; index < count; index++) {
      this.#states.push({ at: 'stopped' })
      this.#backoffs.push(0)
      this.#start(index)
    }
  }

  /** The metrics of all workers that answer in time, summed. */
  async metrics(): Promise<string> {
    const asked = this.#states.flatMap((state) => (state.at === 'serving' ? [this.#ask(state.child)] : []))
    const answers = (await Promise.all(asked)).filter((values) => values !== undefined)
    return AggregatorRegistry.aggregate(answers).metrics()
  }

  /** Asks every worker to drain and waits until all have ended. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(
      this.#states.map((state) => {
        if (state.at === 'waiting') clearTimeout(state.timer)
        return state.at === 'starting' || state.at === 'serving' ? ended(state.child) : undefined
      }),
    )
  }

  #start(index: number): void {
    const child = spawn(process.execPath, [...NODE_FLAGS, WORKER, String(index)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#states[index] = { at: 'starting', child, since: Date.now() }
    child.on('message', (message: FromWorker) => {
      if (message.kind === 'serving') this.#move(index, { at: 'serving', child, since: Date.now() })
    })
    // 'exit' and not 'close': the socket file may be taken over as soon as the process is gone.
    child.once('exit', (code, signal) => this.#ended(index, { code, signal }))
    child.once('error', (err) => this.#log.error({ err, worker: index }, 'worker could not be started'))
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
