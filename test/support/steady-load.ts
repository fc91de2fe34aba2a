import { Agent } from 'node:http'
import { type HttpRequest, http } from './http.ts'

const MAX_WAITING = 512

/** What a steady load saw. */
export interface LoadReport {
  readonly sent: number
  /** Answers that were not wanted and errors of the connection, each with its count. */
  readonly failures: Readonly<Record<string, number>>
}

/** Sends requests at a steady rate, whatever the answers do, until it is stopped; at most 512 wait at once. */
export class SteadyLoad {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_WAITING })
  readonly #failures: Record<string, number> = {}
  readonly #waiting = new Set<Promise<void>>()
  readonly #targets = new Map<string, HttpRequest>()
  readonly #timer: NodeJS.Timeout
  readonly #wanted: (status: number) => boolean
  #sent = 0

  /** `perSecond` requests a second for each target. */
  constructor(perSecond: number, wanted: (status: number) => boolean = (status) => status >= 200 && status < 300) {
    this.#wanted = wanted
    this.#timer = setInterval(() => {
      for (const [name, request] of this.#targets) this.#send(name, request)
    }, 1000 / perSecond)
  }

  /** Adds or replaces a target. */
  target(name: string, request: HttpRequest): void {
    this.#targets.set(name, request)
  }

  /** Sends no more to a target; resolves when its last answers are in. */
  async drop(name: string): Promise<void> {
    this.#targets.delete(name)
    await Promise.all(this.#waiting)
  }

  async stop(): Promise<LoadReport> {
    clearInterval(this.#timer)
    await Promise.all(this.#waiting)
    this.#agent.destroy()
    return { sent: this.#sent, failures: this.#failures }
  }

  #send(name: string, request: HttpRequest): void {
    if (this.#waiting.size >= MAX_WAITING) {
      this.#count(`${name}: ${MAX_WAITING} requests wait`)
      return
    }
    this.#sent += 1
    const answer = http({ ...request, agent: this.#agent }).then(
      ({ status, text }) => {
        if (!this.#wanted(status)) this.#count(`${name}: ${status} ${text.slice(0, 200)}`)
      },
      (error: Error) => this.#count(`${name}: ${error.message}`),
    )
    this.#waiting.add(answer)
    void answer.finally(() => this.#waiting.delete(answer))
  }

  #count(what: string): void {
    this.#failures[what] = (this.#failures[what] ?? 0) + 1
  }
}
