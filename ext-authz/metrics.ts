import { Counter, type Registry } from 'prom-client'
import { PROBLEMS } from '../policies/problems.ts'
import type { Outcome } from './decide.ts'
import { LatencyHistogram, type LatencySeries } from './latency-histogram.ts'

/** Upper bounds, s: most stages take microseconds, a first token or a slow disk milliseconds (OB-1). */
const BUCKETS_S = [
  0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1,
]

/** When what of a Check was done, by `performance.now()`; `identifyMs` is there where a token was verified. */
export interface CheckTimes {
  readonly arrived: number
  readonly read: number
  readonly decided: number
  readonly identifyMs: number | undefined
}

/** What a worker counts; children are bound once so that a request only adds (OB-1). */
export class CheckMetrics {
  readonly withoutPolicy: Counter
  readonly #verdicts: ReadonlyMap<string, { inc(): void }>
  readonly #unrecorded: ReadonlyMap<string, { inc(by?: number): void }>
  readonly #total: LatencySeries
  readonly #stages: Readonly<Record<'read' | 'identify' | 'admit' | 'record', LatencySeries>>

  constructor(registry: Registry) {
    const verdicts = new Counter({
      name: 'ext_authz_checks_total',
      help: 'Checks answered, by verdict: pass, or the slug of the problem.',
      labelNames: ['verdict'],
      registers: [registry],
    })
    this.#verdicts = new Map(['pass', ...Object.keys(PROBLEMS)].map((verdict) => [verdict, verdicts.labels(verdict)]))
    const unrecorded = new Counter({
      name: 'ext_authz_unrecorded_total',
      help: 'Decisions that could not be written: skipped went on or were refusals anyway, refused became 503.',
      labelNames: ['audit'],
      registers: [registry],
    })
    this.#unrecorded = new Map(['skipped', 'refused'].map((audit) => [audit, unrecorded.labels(audit)]))
    // An alert needs a zero to rise from.
    for (const counter of this.#unrecorded.values()) counter.inc(0)
    this.#total = new LatencyHistogram({
      name: 'ext_authz_check_seconds',
      help: 'Time from the arrival of a Check to its answer.',
      buckets: BUCKETS_S,
      registry,
    }).series()
    const stages = new LatencyHistogram({
      name: 'ext_authz_stage_seconds',
      help: 'Time of one stage of a Check: read, identify (tokens seen for the first time), admit, record (until it is written).',
      label: 'stage',
      buckets: BUCKETS_S,
      registry,
    })
    this.#stages = {
      read: stages.series('read'),
      identify: stages.series('identify'),
      admit: stages.series('admit'),
      record: stages.series('record'),
    }
    this.withoutPolicy = new Counter({
      name: 'ext_authz_without_policy_total',
      help: 'Checks that carried no complete policy for their path; each is a 503 and must be looked into.',
      registers: [registry],
    })
  }

  /** Counts one answer. */
  observe(outcome: Outcome, { arrived, read, decided, identifyMs }: CheckTimes): void {
    const now = performance.now()
    this.#verdicts.get(typeof outcome === 'string' ? 'pass' : outcome.slug)?.inc()
    this.#total.observe((now - arrived) / 1000)
    this.#stages.read.observe((read - arrived) / 1000)
    if (identifyMs !== undefined) this.#stages.identify.observe(identifyMs / 1000)
    this.#stages.admit.observe((decided - read - (identifyMs ?? 0)) / 1000)
    this.#stages.record.observe((now - decided) / 1000)
  }

  /** Counts one decision that was not written. */
  unrecorded(audit: 'skipped' | 'refused'): void {
    this.#unrecorded.get(audit)?.inc()
  }
}
