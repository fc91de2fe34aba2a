import type { Resource } from '../snapshot.ts'
import type { Answer, Outstanding, Subscription } from './subscription.ts'

/** How long Envoy may keep its answer to clusters back, ms: longer than it waits for their endpoints (15 s, C31, facts/envoy.md §2). */
export const ANSWER_DEADLINE_MS = 20_000

/** What takes one overdue response back. */
export interface Withdrawal {
  /** Clusters that the client had before, as it had them. */
  readonly restored: readonly Resource[]
  /** Clusters that it did not have. */
  readonly removed: readonly string[]
}

/**
 * Cluster responses that were not answered in time. Envoy answers when the clusters are warm; one whose load balancer cannot be
 * built never is, and holds every later answer back with its own, until it is removed or replaced (facts/envoy.md §2, C31).
 */
export class Withdrawals {
  /** Versions that were taken back, by name: not sent again until they change, or the client answers after all. */
  readonly #versions = new Map<string, string>()
  readonly #overdue = new Set<string>()
  readonly #clusters: Subscription
  readonly #now: () => number

  constructor(clusters: Subscription, now: () => number) {
    this.#clusters = clusters
    this.#now = now
  }

  /** Whether this version of a cluster was taken back. */
  has(name: string, version: string): boolean {
    return this.#versions.get(name) === version
  }

  /** Whether a response is past its deadline. */
  isOverdue(nonce: string): boolean {
    return this.#overdue.has(nonce)
  }

  /** When the next unanswered response becomes overdue, epoch ms. */
  deadline(): number | undefined {
    const waiting = this.#waiting().map(({ at }) => at + ANSWER_DEADLINE_MS)
    return waiting.length === 0 ? undefined : Math.min(...waiting)
  }

  /** What has become overdue since the last call, to be taken back. */
  *take(): Generator<Withdrawal> {
    for (const response of this.#waiting()) {
      if (this.#now() < response.at + ANSWER_DEADLINE_MS) continue
      this.#overdue.add(response.nonce)
      const withdrawal = this.#withdraw(response)
      if (withdrawal.restored.length + withdrawal.removed.length > 0) yield withdrawal
    }
  }

  /**
   * The late answer to an overdue response: a rejection says who was bad, and the others may come back; an acknowledgement says
   * that the client was merely slow, and all may.
   */
  answered(answer: Answer): void {
    const { nonce, sent } = answer.response
    if (!this.#overdue.delete(nonce)) return
    const bad = answer.kind === 'nack' ? answer.rejected : []
    if (answer.kind === 'nack' && bad.length === 0) return
    for (const [name, item] of sent) {
      if (item !== undefined && !bad.includes(name) && this.has(name, item.version)) this.#versions.delete(name)
    }
  }

  #waiting(): Outstanding[] {
    return [...this.#clusters.outstanding.values()].filter(({ nonce }) => !this.#overdue.has(nonce))
  }

  #withdraw({ sent }: Outstanding): Withdrawal {
    const items = [...sent.values()].filter((item) => item !== undefined)
    const restored: Resource[] = []
    const removed: string[] = []
    for (const { name, version } of items) {
      const held = this.#clusters.held.get(name)
      if (held === undefined) removed.push(name)
      else if (held.resource !== undefined && held.version !== version) restored.push(held.resource)
      else continue
      this.#versions.set(name, version)
    }
    return { restored, removed }
  }
}
