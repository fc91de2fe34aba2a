/** What a worker tells the main process. */
export type FromWorker =
  | { readonly kind: 'serving' }
  /** `values` is what prom-client's `getMetricsAsJSON` gives, ready to be aggregated. */
  | { readonly kind: 'metrics'; readonly id: number; readonly values: readonly object[] }

/** What the main process asks of a worker. */
export interface ToWorker {
  readonly kind: 'metrics'
  readonly id: number
}
