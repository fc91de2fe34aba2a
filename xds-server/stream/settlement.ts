import type { AdsStream } from './ads-stream.ts'

/** How many clients have what is published. */
export interface Settled {
  readonly acknowledged: number
  readonly connected: number
}

/** Lets callers wait until no stream has anything left to send or to hear. */
export class Settlement {
  readonly #streams: ReadonlySet<AdsStream>
  readonly #waiting = new Set<() => void>()

  constructor(streams: ReadonlySet<AdsStream>) {
    this.#streams = streams
  }

  /** Must be told of everything that happens on a stream, and of streams that end. */
  changed(): void {
    if (this.#waiting.size === 0 || this.#known().some(({ rollout }) => !rollout.atRest)) return
    this.finish()
  }

  /** Resolves when every client has answered everything, a refusal included, or after `withinMs`. */
  wait(withinMs: number): Promise<Settled> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer)
        this.#waiting.delete(finish)
        const known = this.#known()
        resolve({ acknowledged: known.filter(({ rollout }) => rollout.synced).length, connected: known.length })
      }
      const timer = setTimeout(finish, withinMs)
      this.#waiting.add(finish)
      this.changed()
    })
  }

  /** Ends every wait with what is true now. */
  finish(): void {
    for (const finish of [...this.#waiting]) finish()
  }

  #known(): AdsStream[] {
    return [...this.#streams].filter(({ node }) => node !== undefined)
  }
}
