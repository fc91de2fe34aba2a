/** Epoch ms with fractions, of a clock that is never set back within a run. */
export const clock = (): number => performance.timeOrigin + performance.now()

/** How a request ended for the client that sent it. */
export type Ending =
  | {
      readonly how: 'answered'
      /** Epoch ms, when the last byte was there. */
      readonly at: number
      readonly status: number
      /** `x-request-id` of the answer; absent where Envoy could not read the request's headers. */
      readonly requestId: string | undefined
    }
  /** `refused`: nobody listened. `reset`: the connection broke before the whole answer was there. `timeout`: the client gave up. */
  | { readonly how: 'refused' | 'reset' | 'timeout'; readonly at: number }

/** One request that was sent, and what became of it. */
export interface Attempt {
  /**
   * What the row is found by, unique in a run: the correlation id that was sent, or, for a request whose headers Envoy cannot read,
   * the address in 127.0.0.0/8 that it came from.
   */
  readonly id: string
  /** Name in the mix of the load. */
  readonly kind: string
  /** Epoch ms. */
  readonly sentAt: number
  /** Undefined while it is under way. */
  ending?: Ending
}

/** Every request that a load sent, in order; a client's own account, which knows nothing of spools and rows. */
export class Ledger {
  readonly attempts: Attempt[] = []
  /** Requests that were due but not sent, because too many waited for their answers. */
  heldBack = 0

  sent(id: string, kind: string, sentAt: number): Attempt {
    const attempt: Attempt = { id, kind, sentAt }
    this.attempts.push(attempt)
    return attempt
  }

  /** How many are under way. */
  open(): number {
    let open = 0
    for (const { ending } of this.attempts) if (ending === undefined) open += 1
    return open
  }

  /** Statuses by kind of request, and how the others ended: `list agents` → `{ 200: 12, reset: 1 }`. */
  byKind(): ReadonlyMap<string, Readonly<Record<string, number>>> {
    const kinds = new Map<string, Record<string, number>>()
    for (const { kind, ending } of this.attempts) {
      const counts = kinds.get(kind) ?? {}
      kinds.set(kind, counts)
      const what = ending === undefined ? 'open' : ending.how === 'answered' ? String(ending.status) : ending.how
      counts[what] = (counts[what] ?? 0) + 1
    }
    return kinds
  }
}
