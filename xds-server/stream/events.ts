import type { TypeUrl } from '../snapshot.ts'

/** What happens on the streams, for status, metrics and log. */
export type StreamEvent =
  | { readonly kind: 'sent'; readonly type: TypeUrl; readonly names: readonly string[] }
  | { readonly kind: 'ack'; readonly type: TypeUrl; readonly names: readonly string[]; readonly ms: number }
  | { readonly kind: 'nack'; readonly type: TypeUrl; readonly nack: Nack }
  /** Clusters that Envoy did not answer for in time were withdrawn (C31). */
  | { readonly kind: 'withdrawn'; readonly type: TypeUrl; readonly names: readonly string[] }

/** One rejection, as an SRE needs it. */
export interface Nack {
  /** The resources it is about; all of the response where Envoy's message names none. */
  readonly names: readonly string[]
  /** `file:line` of each definition behind them. */
  readonly origins: readonly string[]
  /** Envoy's own words. */
  readonly message: string
  /** Epoch ms. */
  readonly at: number
}
