import { type Aggregator, Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { spoolDepth } from './segment.ts'
import type { Spool } from './spool.ts'
import type { SpoolCounts, SpoolState } from './state.ts'

const SYNC_BUCKETS_S = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2]

/** A gauge: its name, what it says, how those of several workers become one, and its value. */
type GaugeRow = readonly [name: string, help: string, aggregator: Aggregator, value: (state: SpoolState) => number]

const GAUGES: readonly GaugeRow[] = [
  ['spool_full', '1 while there is no room for decisions.', 'max', ({ health }) => Number(health === 'full')],
  ['spool_failing', '1 while decisions cannot be written.', 'max', ({ health }) => Number(health === 'failing')],
  ['spool_unsynced_bytes', 'Bytes written, not on the disk yet.', 'sum', ({ unsyncedBytes }) => unsyncedBytes],
  ['spool_unsynced_seconds', 'Age of the oldest of them.', 'max', ({ unsyncedMs }) => unsyncedMs / 1000],
]

const COUNTERS: readonly (readonly [name: string, help: string, key: Exclude<keyof SpoolCounts, 'errors'>])[] = [
  ['spool_records_total', 'Records written.', 'records'],
  ['spool_written_bytes_total', 'Bytes written, headers and footers included.', 'bytes'],
  ['spool_segments_total', 'Segments begun.', 'segments'],
  ['spool_refused_records_total', 'Decisions that could not be written.', 'refused'],
  ['spool_rewrites_total', 'Times that records were written again because their sync had failed.', 'rewrites'],
  ['spool_torn_bytes_total', 'Bytes of half records that killed predecessors left.', 'tornBytes'],
]

/** What a worker shows of its spool (OB-1, OB-3). Values are read when somebody asks; only syncs are observed as they happen. */
export class SpoolMetrics {
  readonly #registry: Registry
  readonly #syncs: Histogram

  constructor(registry: Registry) {
    this.#registry = registry
    this.#syncs = new Histogram({
      name: 'spool_fdatasync_seconds',
      help: 'Time of one round of fdatasync.',
      buckets: SYNC_BUCKETS_S,
      registers: [registry],
    })
  }

  /** For `onSync` of {@link SpoolOptions}. */
  readonly synced = (seconds: number): void => this.#syncs.observe(seconds)

  /** Shows an open spool and what its folder holds. Call it once. */
  follow(spool: Pick<Spool, 'state'>, folder: string): void {
    const registers = [this.#registry]
    for (const [name, help, aggregator, value] of GAUGES) {
      const collect = function (this: Gauge) {
        this.set(value(spool.state()))
      }
      new Gauge({ name, help, aggregator, registers, collect })
    }
    for (const [name, help, key] of COUNTERS) {
      // prom-client's counters only go up: one that another keeps is set anew.
      const collect = function (this: Counter) {
        this.reset()
        this.inc(spool.state().counts[key])
      }
      new Counter({ name, help, registers, collect })
    }
    this.#errors(spool)
    this.#depth(folder)
  }

  #errors(spool: Pick<Spool, 'state'>): void {
    new Counter({
      name: 'spool_errors_total',
      help: 'Errors of writing and syncing, by the system’s code.',
      labelNames: ['code'],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [code, times] of spool.state().counts.errors) this.inc({ code }, times)
      },
    })
  }

  #depth(folder: string): void {
    new Gauge({
      name: 'spool_segments',
      help: 'Segments that the recorder has not deleted yet.',
      registers: [this.#registry],
      async collect() {
        this.set((await spoolDepth(folder)).segments)
      },
    })
    new Gauge({
      name: 'spool_depth_bytes',
      help: 'Bytes of them.',
      registers: [this.#registry],
      async collect() {
        this.set((await spoolDepth(folder)).bytes)
      },
    })
  }
}
