import type { TypeUrl } from '../snapshot.ts'

/** What happens on the streams, for metrics, log and those who wait for acknowledgements. */
export type StreamEvent =
  | { readonly kind: 'sent'; readonly type: TypeUrl; readonly names: readonly string[] }
  /** `ms` from sending to the answer. */
  | { readonly kind: 'ack'; readonly type: TypeUrl; readonly names: readonly string[]; readonly ms: number }
  | { readonly kind: 'nack'; readonly type: TypeUrl; readonly nack: Nack }
  /** An alarm: clusters that Envoy did not answer for in time were taken back (C31). */
  | { readonly kind: 'withdrawn'; readonly type: TypeUrl; readonly names: readonly string[] }
  /** An alarm: routes went out though `clusters` are not ready there (C31). */
  | {
      readonly kind: 'unready'
      readonly type: TypeUrl
      readonly names: readonly string[]
      readonly clusters: readonly string[]
    }
  /** A request that is understood and not served, such as an unknown type (C3). */
  | { readonly kind: 'ignored'; readonly what: string }

/** One rejection, as an SRE needs it. */
export interface Nack {
  /** The resources it is about; all of the response where Envoy's message names none. */
  readonly names: readonly string[]
  /** `file:line` of each definition behind them. */
  readonly origins: readonly string[]
  /** Envoy's own words, at most 2,000 characters, without key material. */
  readonly message: string
  /** Epoch ms. */
  readonly at: number
}

/** Characters of a client's text that are kept. */
const MAX_MESSAGE = 2_000

/** What a client says about a response it refuses, fit for log and status: Envoy prints the refused message, keys included. */
export function quoted(message: string): string {
  return message
    .slice(0, MAX_MESSAGE)
    .replace(/-----BEGIN[\s\S]*?(?:-----END[^-]*-----|$)/g, '***REDACTED***')
    .replace(/(inline_(?:string|bytes): )"(?:[^"\\]|\\.)*"?/g, '$1"***REDACTED***"')
}
