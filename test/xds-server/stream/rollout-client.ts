import { type Snapshot, TYPES, type TypeUrl } from '../../../xds-server/snapshot.ts'
import { Rollout, type Send } from '../../../xds-server/stream/rollout.ts'
import type { Answer, SubscriptionRequest } from '../../../xds-server/stream/subscription.ts'

const short = (type: TypeUrl) => type.slice(type.lastIndexOf('.') + 1)

/** A response as a line: `Cluster +added -removed`; the alarms of C31 in brackets. */
export function line({ type, resources, removed, withdrawn, without }: Send): string {
  const parts = [...resources.map(({ name }) => `+${name}`), ...removed.map((name) => `-${name}`)]
  if (withdrawn) parts.push('(withdrawn)')
  if (without !== undefined) parts.push(`(without ${without.join(' ')})`)
  return [short(type), ...parts].join(' ')
}

/** C12, C21: what Envoy would refuse whatever is inside. */
export function checkForm({ type, resources, removed }: Send): void {
  const names = [...resources.map(({ name }) => name), ...removed]
  if (new Set(names).size < names.length) throw new Error(`a name comes twice in one response: ${names.join(', ')}`)
  const stray = resources.find(({ body }) => body.type_url !== type)
  if (stray !== undefined) throw new Error(`${stray.name} is a ${stray.body.type_url} in a response of ${type}`)
}

/** Drives a {@link Rollout} by hand, as a client that says exactly what the test says. */
export class RolloutClient {
  readonly rollout: Rollout
  now = 0
  readonly unanswered: Send[] = []

  constructor(target: Snapshot) {
    this.rollout = new Rollout(target, () => this.now)
  }

  /** A request that is no answer. */
  ask(type: TypeUrl, request: SubscriptionRequest = {}): this {
    this.rollout.receive(type, request)
    return this
  }

  subscribe(type: TypeUrl, ...names: string[]): this {
    return this.ask(type, { resource_names_subscribe: names })
  }

  unsubscribe(type: TypeUrl, ...names: string[]): this {
    return this.ask(type, { resource_names_unsubscribe: names })
  }

  publish(target: Snapshot): this {
    this.rollout.retarget(target)
    return this
  }

  /** What the server sends now, as lines; it stays unanswered. */
  take(): string[] {
    const sends = [...this.rollout.next()]
    for (const send of sends) checkForm(send)
    this.unanswered.push(...sends)
    return sends.map(line)
  }

  /** Acknowledges the oldest unanswered response of a type. */
  ack(type: TypeUrl, request: SubscriptionRequest = {}): Answer | undefined {
    return this.rollout.receive(type, { ...request, response_nonce: this.#oldest(type).nonce })
  }

  /** Rejects the oldest unanswered response of a type. */
  nack(type: TypeUrl, message: string): Answer | undefined {
    return this.rollout.receive(type, { response_nonce: this.#oldest(type).nonce, error_detail: { message } })
  }

  /** Acknowledges everything until the server is quiet; answers with all lines that it took. */
  settle(): string[] {
    const lines: string[] = []
    for (let round = 0; round < 50; round++) {
      lines.push(...this.take())
      const next = this.unanswered[0]
      if (next === undefined) return lines
      this.ack(next.type)
    }
    throw new Error(`not quiet after 50 answers: ${lines.slice(-5).join(', ')}`)
  }

  /** Subscribes to all types as an Envoy does that has the target's listeners, and acknowledges everything. */
  boot(): this {
    for (const type of TYPES) {
      const names = [...(this.rollout.target.resources.get(type)?.keys() ?? [])]
      const wildcard = ['Cluster', 'Listener'].includes(short(type))
      this.ask(type, wildcard ? {} : { resource_names_subscribe: names })
      this.settle()
    }
    return this
  }

  /** Names and versions that the server believes the client to hold, as `name@version`. */
  held(type: TypeUrl): string[] {
    const held = this.rollout.subscriptions.get(type)?.held ?? new Map()
    return [...held].map(([name, { version }]) => `${name}@${version}`).sort()
  }

  #oldest(type: TypeUrl): Send {
    const index = this.unanswered.findIndex((send) => send.type === type)
    const [send] = index < 0 ? [] : this.unanswered.splice(index, 1)
    if (send === undefined) throw new Error(`no unanswered response of ${type}`)
    return send
  }
}
