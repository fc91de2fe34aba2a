const CAPACITY = 5
const REFILL_MS = 30_000

/** Token bucket for fetches that a stranger can provoke with an unknown `kid`: 5 at once, then one per 30 s (ID-4). */
export class RefetchBucket {
  #tokens = CAPACITY
  #filledAt: number
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
    this.#filledAt = now()
  }

  /** True when a fetch is allowed now; uses it up. */
  take(): boolean {
    const now = this.#now()
    // A clock that was set back fills nothing until it is where it was: count from here instead.
    if (now < this.#filledAt) this.#filledAt = now
    const earned = Math.floor((now - this.#filledAt) / REFILL_MS)
    if (earned > 0) {
      this.#tokens = Math.min(CAPACITY, this.#tokens + earned)
      this.#filledAt += earned * REFILL_MS
    }
    if (this.#tokens === 0) return false
    this.#tokens -= 1
    return true
  }
}
