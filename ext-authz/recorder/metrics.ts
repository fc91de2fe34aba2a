import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { LettersFull } from './dead-letters.ts'
import type { JoinEvent } from './join.ts'

/** Readings that are taken when somebody asks for the metrics. */
export interface Readings {
  /** Seconds since the oldest request began whose decision is not settled; 0 where there is none. */
  readonly oldestSeconds: () => number
  readonly waiting: () => number
  readonly logBytesBehind: () => Promise<number>
  readonly spoolBytesBehind: () => Promise<number>
  readonly deadLetters: () => number
  readonly stuckSeconds: () => number
}

const OUTCOMES = 'Requests recorded, by what became of them.'

/** What the recorder counts (OB-1). */
export class RecorderMetrics {
  readonly #rows: Counter
  readonly #batchSeconds: Histogram
  readonly #batchRows: Histogram
  readonly monthsAhead: Gauge
  readonly #registry: Registry
  readonly #events: Counter
  readonly #errors: Counter
  readonly #trouble: Counter

  constructor(registry: Registry) {
    const registers = [registry]
    this.#registry = registry
    this.#rows = new Counter({
      name: 'recorder_rows_total',
      help: 'Rows and completions that the store has.',
      registers,
    })
    this.#batchSeconds = new Histogram({
      name: 'recorder_batch_seconds',
      help: 'Time from a prepared batch to its commit, waiting for the store included.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300],
      registers,
    })
    this.#batchRows = new Histogram({
      name: 'recorder_batch_rows',
      help: 'Rows and completions of a batch.',
      buckets: [1, 10, 50, 100, 250, 500, 1000, 2000, 4000],
      registers,
    })
    this.#events = new Counter({ name: 'recorder_requests_total', help: OUTCOMES, labelNames: ['became'], registers })
    this.#errors = new Counter({
      name: 'recorder_write_errors_total',
      help: 'Failed tries to write a batch, by SQLSTATE, or by what failed where the store did not answer.',
      labelNames: ['code'],
      registers,
    })
    this.#trouble = new Counter({
      name: 'recorder_trouble_total',
      help: 'Halves that may be lost or could not be used, by kind; each must be looked into.',
      labelNames: ['kind'],
      registers,
    })
    this.monthsAhead = new Gauge({
      name: 'recorder_partitions_ahead',
      help: 'Whole months after this one that have a partition.',
      registers,
    })
  }

  /** A batch is in the store. */
  batch(rows: number, seconds: number): void {
    this.#rows.inc(rows)
    this.#batchRows.observe(rows)
    this.#batchSeconds.observe(seconds)
  }

  /** What became of a request. */
  event(event: JoinEvent): void {
    this.#events.inc({ became: event })
  }

  error(error: unknown): void {
    this.#errors.inc({ code: codeOf(error) })
  }

  trouble(kind: string): void {
    this.#trouble.inc({ kind })
  }

  /** Adds the gauges; called once. */
  read(readings: Readings): void {
    this.#gauge(
      'recorder_lag_seconds',
      'Age of the oldest request that waits for its completion.',
      readings.oldestSeconds,
    )
    this.#gauge('recorder_waiting_decisions', 'Decisions that wait for their completion.', readings.waiting)
    this.#gauge('recorder_log_behind_bytes', 'Bytes of Envoy’s log that were not read.', readings.logBytesBehind)
    this.#gauge('recorder_spool_behind_bytes', 'Bytes of the spools that are not settled.', readings.spoolBytesBehind)
    this.#gauge('recorder_stuck_seconds', 'How long nothing could be written; 0 while it can.', readings.stuckSeconds)
    this.#gauge('recorder_dead_letters', 'Dead letters in the folder.', readings.deadLetters)
  }

  #gauge(name: string, help: string, value: () => number | Promise<number>): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      async collect() {
        this.set(await value())
      },
    })
  }
}

function codeOf(error: unknown): string {
  if (error instanceof LettersFull) return 'dead-letters-full'
  if (!(error instanceof Error)) return 'unknown'
  if ('sqlstate' in error && typeof error.sqlstate === 'string') return error.sqlstate
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.name
}
