import type { Metric, MetricValueWithName, Registry } from 'prom-client'

/** What a histogram is called, and its upper bounds in seconds, rising. */
export interface LatencyOptions {
  readonly name: string
  readonly help: string
  readonly buckets: readonly number[]
  /** The one label, where there is one. */
  readonly label?: string
  readonly registry: Registry
}

/**
 * A histogram that is read like one of prom-client and filled faster: there an observation looks up its series by a text made of
 * the labels, which for the five of each Check cost more than writing its record.
 */
export class LatencyHistogram {
  readonly #options: LatencyOptions
  readonly #series = new Map<string, LatencySeries>()

  constructor(options: LatencyOptions) {
    this.#options = options
    // What we use of a registry asks of a metric no more than `name` and `get`; the type wants the library's own classes.
    options.registry.registerMetric(this as unknown as Metric)
  }

  get name(): string {
    return this.#options.name
  }

  /** The series with this value of the label; to be kept by who observes. */
  series(value = ''): LatencySeries {
    const found = this.#series.get(value) ?? new LatencySeries(this.#options.buckets)
    this.#series.set(value, found)
    return found
  }

  /** What prom-client's registry shows and aggregates. */
  async get() {
    const { name, help, label } = this.#options
    const values = [...this.#series].flatMap(([value, series]) =>
      series.values(name, label === undefined ? {} : { [label]: value }),
    )
    return { name, help, type: 'histogram', values, aggregator: 'sum' }
  }
}

/** Observations under one value of the label. */
export class LatencySeries {
  readonly #buckets: readonly number[]
  /** One more than there are bounds: what is above all of them. */
  readonly #counts: Float64Array
  #sum = 0

  constructor(buckets: readonly number[]) {
    this.#buckets = buckets
    this.#counts = new Float64Array(buckets.length + 1)
  }

  /** Adds one observation. */
  observe(seconds: number): void {
    let at = 0
    while (at < this.#buckets.length && seconds > (this.#buckets[at] ?? 0)) at++
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#sum += seconds
  }

  /** Buckets count all that is at most their bound, as the exposition format wants it. */
  values(name: string, labels: Readonly<Record<string, string>>): MetricValueWithName<string>[] {
    let count = 0
    const values = [...this.#buckets, '+Inf'].map((le, at) => {
      count += this.#counts[at] ?? 0
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count }
    })
    return [
      ...values,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ]
  }
}
