/** How long a request is remembered at least after its end, µs of log time, unless there are too many. */
const REMEMBERED_US = 60_000_000
/** Half of how many are remembered at most. */
const MAX_GENERATION = 25_000

/**
 * Requests whose completion was read lately: a decision that comes after it belongs to a row that is there already (a Check that Envoy
 * gave up on and repeated elsewhere), and a second completion is a fault. Two generations, of which the older one is forgotten whole.
 */
export class Recent {
  #young = new Map<string, number>()
  #old = new Map<string, number>()
  /** When the first of the young ones ended, and the last of each generation, epoch µs. */
  #youngFrom = Number.POSITIVE_INFINITY
  #youngUntil = 0
  #oldUntil = 0
  #forgottenUntil: number

  /** `forgottenUntil`: requests that began before it (epoch µs) may have been completed without being remembered. */
  constructor(forgottenUntil: number) {
    this.#forgottenUntil = forgottenUntil
  }

  get forgottenUntil(): number {
    return this.#forgottenUntil
  }

  /** Until when requests were completed, remembered or not, epoch µs. */
  get completedUntil(): number {
    return Math.max(this.#youngUntil, this.#oldUntil, this.#forgottenUntil)
  }

  /** When a remembered request began, epoch µs. */
  beginning(requestId: string): number | undefined {
    return this.#young.get(requestId) ?? this.#old.get(requestId)
  }

  add(requestId: string, at: number, end: number): void {
    if (this.#young.size >= MAX_GENERATION || end - this.#youngFrom >= REMEMBERED_US) this.#age()
    this.#young.set(requestId, at)
    this.#youngFrom = Math.min(this.#youngFrom, end)
    this.#youngUntil = Math.max(this.#youngUntil, end)
  }

  #age(): void {
    // A request ends after it begins, so this is late enough for all that are forgotten.
    this.#forgottenUntil = Math.max(this.#forgottenUntil, this.#oldUntil)
    this.#old = this.#young
    this.#oldUntil = this.#youngUntil
    this.#young = new Map()
    this.#youngFrom = Number.POSITIVE_INFINITY
    this.#youngUntil = 0
  }
}
