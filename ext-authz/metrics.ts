import { Counter, Histogram, type Registry } from 'prom-client'
import { PROBLEMS, type Slug } from '../policies/problems.ts'

const BUCKETS_S = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1]

/** What a worker counts; children are bound once so that a request only adds (OB-1). */
export class CheckMetrics {
  readonly withoutPolicy: Counter
  readonly #verdicts: ReadonlyMap<string, { inc(): void }>
  readonly #seconds: Histogram

  constructor(registry: Registry) {
    const verdicts = new Counter({
      name: 'ext_authz_checks_total',
      help: 'Checks answered, by verdict: pass, or the slug of the problem.',
      labelNames: ['verdict'],
      registers: [registry],
    })
    this.#verdicts = new Map(['pass', ...Object.keys(PROBLEMS)].map((verdict) => [verdict, verdicts.labels(verdict)]))
    this.#seconds = new Histogram({
      name: 'ext_authz_check_seconds',
      help: 'Time from a decoded Check to its answer.',
      buckets: BUCKETS_S,
      registers: [registry],
    })
    this.withoutPolicy = new Counter({
      name: 'ext_authz_without_policy_total',
      help: 'Checks that carried no complete policy for their path; each is a 503 and must be looked into.',
      registers: [registry],
    })
  }

  /** Counts one answer. */
  observe(verdict: 'pass' | Slug, milliseconds: number): void {
    this.#verdicts.get(verdict)?.inc()
    this.#seconds.observe(milliseconds / 1000)
  }
}
