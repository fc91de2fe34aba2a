/** How often a progress line is drawn anew, ms. */
const EVERY_MS = 250

/** Tells how far a long command is: one line on stderr that is drawn over, on a terminal only. */
export class Progress {
  readonly #shown = process.stderr.isTTY === true
  readonly #started = performance.now()
  readonly #what: string
  readonly #total: number | undefined
  #drawn = 0
  #done = 0

  /** `what` is counted, in the plural; `total`: of how many. */
  constructor(what: string, total?: number) {
    this.#what = what
    this.#total = total
  }

  step(count = 1): void {
    this.#done += count
    if (!this.#shown || performance.now() - this.#drawn < EVERY_MS) return
    this.#drawn = performance.now()
    process.stderr.write(`\r\x1b[K${this.#line()}`)
  }

  /** Takes the line away and gives its last state, as a sentence. */
  end(): string {
    if (this.#shown) process.stderr.write('\r\x1b[K')
    const seconds = (performance.now() - this.#started) / 1_000
    return `${this.#done} ${this.#what} in ${seconds.toFixed(1)} s`
  }

  #line(): string {
    const seconds = (performance.now() - this.#started) / 1_000
    const rate = Math.round(this.#done / Math.max(seconds, 0.001))
    const share =
      this.#total === undefined || this.#total === 0 ? '' : ` ${Math.floor((100 * this.#done) / this.#total)} %`
    return `${this.#done} ${this.#what}${share}, ${rate}/s`
  }
}
