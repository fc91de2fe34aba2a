import { ANSWER_DEADLINE_MS } from './withdrawals.ts'

/** How long routes wait for a cluster, ms (C31): until one that was taken back with a bad one had time to come again. */
export const GATE_DEADLINE_MS = ANSWER_DEADLINE_MS + 5_000

/** Clusters that routes wait for, each with a deadline of its own: one broken cluster may not strand everything else (C31). */
export class Gates {
  readonly #since = new Map<string, number>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Takes in what is waited for now: the clock of a new name starts, what is no longer waited for is forgotten. */
  waitFor(names: ReadonlySet<string>): void {
    for (const name of this.#since.keys()) if (!names.has(name)) this.#since.delete(name)
    for (const name of names) if (!this.#since.has(name)) this.#since.set(name, this.#now())
  }

  /** Whether a name has been waited for long enough. */
  expired(name: string): boolean {
    const since = this.#since.get(name)
    return since !== undefined && this.#now() >= since + GATE_DEADLINE_MS
  }

  /** When the next gate opens by itself, epoch ms. */
  deadline(): number | undefined {
    const future = [...this.#since.values()].map((since) => since + GATE_DEADLINE_MS).filter((at) => at > this.#now())
    return future.length === 0 ? undefined : Math.min(...future)
  }
}
