import type { AnyMessage, MessageName } from '../../../protos/any.ts'

/** What filters need to know about the listener they are in. */
export interface Edge {
  /** Whether clients speak TLS to this listener. */
  readonly tls: boolean
  /** Headers that a route of the listener has recorded, besides those of every request (AU-6). */
  readonly auditedHeaders: readonly string[]
}

/** One HTTP filter of the edge; each sibling file exports one, `index.ts` orders them. */
export interface EdgeFilter {
  /** Name in the filter chain, and the only key by which a route may configure it. */
  readonly name: string
  /** Its configuration on a listener. */
  readonly config: (edge: Edge) => AnyMessage
  /** The one message that a route's `typed_per_filter_config` may hold for it; absent: routes cannot configure it. */
  readonly perRoute?: MessageName
}
