/** A decision that has been read from a spool and is not settled. */
export interface WaitingDecision {
  readonly event: string
  readonly json: Buffer
  /** Of the request, epoch µs. */
  readonly at: number
  readonly requestId: string
  /** When it was decided, epoch µs. */
  readonly decidedAt: number
  readonly verdict: 'pass' | 'deny'
  /** False where a row of its request may have been written before it was read. */
  readonly sure: boolean
  /** Tells the spool that it was read from that the batch being made has it. */
  readonly settle: () => void
}

/** The decisions that wait for their completion, by request. Whoever fills it asks `over` and takes the oldest out. */
export class Waiting {
  readonly #maxDecisions: number
  readonly #maxBytes: number
  /** In the order in which they were read. */
  readonly #requests = new Map<string, WaitingDecision[]>()
  #decisions = 0
  #bytes = 0
  /** No decision is older, epoch µs; it may be that none is as old. */
  #notBefore = Number.POSITIVE_INFINITY

  constructor(limits: { readonly decisions: number; readonly bytes: number }) {
    this.#maxDecisions = limits.decisions
    this.#maxBytes = limits.bytes
  }

  get size(): number {
    return this.#decisions
  }

  get bytes(): number {
    return this.#bytes
  }

  /** True while it holds more than it may. */
  get over(): boolean {
    return this.#decisions > this.#maxDecisions || this.#bytes > this.#maxBytes
  }

  add(decision: WaitingDecision): void {
    const others = this.#requests.get(decision.requestId)
    if (others === undefined) this.#requests.set(decision.requestId, [decision])
    else others.push(decision)
    this.#decisions += 1
    this.#bytes += decision.json.length
    this.#notBefore = Math.min(this.#notBefore, decision.at)
  }

  has(requestId: string, event: string): boolean {
    return this.#requests.get(requestId)?.some((decision) => decision.event === event) ?? false
  }

  /** Takes out all decisions of a request. */
  take(requestId: string): readonly WaitingDecision[] {
    const decisions = this.#requests.get(requestId)
    if (decisions === undefined) return []
    this.#requests.delete(requestId)
    this.#decisions -= decisions.length
    for (const { json } of decisions) this.#bytes -= json.length
    return decisions
  }

  /** Takes out the request whose decision was read first. */
  takeFirst(): readonly WaitingDecision[] {
    const first = this.#requests.keys().next()
    return first.done ? [] : this.take(first.value)
  }

  /** Takes out, request by request, all that began before `at` (epoch µs). */
  takeBefore(at: number): (readonly WaitingDecision[])[] {
    if (this.#notBefore >= at) return []
    const old: string[] = []
    let oldest = Number.POSITIVE_INFINITY
    // All of them: spools are read one after the other, so the order of reading is not that of time.
    for (const [requestId, decisions] of this.#requests) {
      const began = decisions[0]?.at ?? 0
      if (began < at) old.push(requestId)
      else oldest = Math.min(oldest, began)
    }
    this.#notBefore = oldest
    return old.map((requestId) => this.take(requestId))
  }

  /** When the oldest request that waits began, epoch µs. */
  oldest(): number | undefined {
    let oldest: number | undefined
    for (const decisions of this.#requests.values()) {
      const began = decisions[0]?.at ?? 0
      if (oldest === undefined || began < oldest) oldest = began
    }
    return oldest
  }
}
