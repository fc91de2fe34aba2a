import { codeOf, isFull } from './files.ts'
import type { SpoolHealth } from './state.ts'

/** How often a spool that cannot write tries again, ms; in between it refuses at once. */
const TRY_EVERY_MS = 250

/** Why a spool takes no records, and since when. */
export class Failure {
  readonly code: string
  readonly health: Exclude<SpoolHealth, 'ok'>
  /** Epoch ms. */
  readonly since: number
  /** Records that were refused meanwhile. */
  refused = 0
  #tried: number

  constructor(error: unknown, now: number) {
    this.code = codeOf(error)
    this.health = isFull(error) ? 'full' : 'failing'
    this.since = now
    this.#tried = now
  }

  /** True when it is time to try again; then the time of the next try begins to run. */
  mayTry(now: number): boolean {
    // A clock that was set back must not keep the spool closed.
    if (Math.abs(now - this.#tried) < TRY_EVERY_MS) return false
    this.#tried = now
    return true
  }

  /** What stands in the spool when it begins. */
  get firstWords(): string {
    return JSON.stringify({ note: `audit ${this.health}`, code: this.code, at: this.since })
  }

  /** What stands in the spool when it is over. */
  lastWords(now: number): string {
    const { code, since, refused } = this
    return JSON.stringify({ note: 'audit resumed', code, at: now, since, refused })
  }
}
