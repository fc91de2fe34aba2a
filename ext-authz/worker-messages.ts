/** What a worker tells the main process. */
export type FromWorker =
  | { readonly kind: 'serving' }
  /** The answer to `ping`: its event loop turns. */
  | { readonly kind: 'pong' }
  /** `values` is what prom-client's `getMetricsAsJSON` gives, ready to be aggregated. */
  | { readonly kind: 'metrics'; readonly id: number; readonly values: readonly object[] }

/** What the main process asks of a worker. */
export type ToWorker =
  | { readonly kind: 'metrics'; readonly id: number }
  | { readonly kind: 'ping' }
  /** Look whether the socket file is still there; if not, drain and end, to be started again with a new one. */
  | { readonly kind: 'look' }
