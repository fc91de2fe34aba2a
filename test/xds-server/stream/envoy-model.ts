import { CLUSTER, ENDPOINTS, LISTENER, type Resource, ROUTES, type TypeUrl } from '../../../xds-server/snapshot.ts'
import type { Send } from '../../../xds-server/stream/rollout.ts'
import type { SubscriptionRequest } from '../../../xds-server/stream/subscription.ts'
import { checkForm } from './rollout-client.ts'

/** A request on its way to the server. */
export interface Request {
  readonly type: TypeUrl
  readonly request: SubscriptionRequest
}

/** How Envoy fails a resource of this content (NACK matrix of facts/envoy.md §2); undefined: it takes it. */
export type Fault = 'whole' | 'part' | 'mute' | 'ghost'

/**
 * As much of Envoy as matters for the order of updates (facts/envoy.md §2): clusters warm until their endpoints come, the answer to
 * clusters is kept back while any warms, listeners are asked for after the first clusters, routes after their listener.
 */
export class EnvoyModel {
  readonly clusters = new Map<string, Resource>()
  readonly warming = new Map<string, Resource>()
  readonly listeners = new Map<string, Resource>()
  readonly routes = new Map<string, Resource>()
  readonly endpoints = new Map<string, Resource>()
  /** Clusters that it refused, or never got warm, at any time. */
  readonly refusedClusters = new Set<string>()
  /** Clusters that it named on a reconnect while they were warming: the protocol has no word for that, so they count as there. */
  readonly toldTooEarly = new Set<string>()
  /** Clusters that routes were sent without (C31). */
  readonly missed = new Set<string>()
  outbox: Request[] = []
  #unanswered: Request[] = []
  #refused = new Set<string>()
  #listenersAsked = false
  readonly #hasEndpoints: (cluster: string) => boolean
  readonly #fault: (item: Resource) => Fault | undefined

  constructor(hasEndpoints: (cluster: string) => boolean, fault: (item: Resource) => Fault | undefined) {
    this.#hasEndpoints = hasEndpoints
    this.#fault = fault
  }

  /** A new stream: everything it has is told, in Envoy's order. */
  connect(): void {
    this.outbox = []
    this.#unanswered = []
    this.#refused = new Set()
    for (const name of this.warming.keys()) if (!this.clusters.has(name)) this.toldTooEarly.add(name)
    const ask = (type: TypeUrl, held: ReadonlyMap<string, Resource>, names?: readonly string[]) => {
      const initial_resource_versions = Object.fromEntries([...held].map(([name, { version }]) => [name, version]))
      this.outbox.push({ type, request: { initial_resource_versions, resource_names_subscribe: names ?? [] } })
    }
    ask(CLUSTER, new Map([...this.clusters, ...this.warming]))
    if (!this.#listenersAsked) return
    ask(ENDPOINTS, this.endpoints, [...this.clusters.keys(), ...this.warming.keys()].filter(this.#hasEndpoints))
    ask(LISTENER, this.listeners)
    ask(ROUTES, this.routes, [...this.listeners.keys()])
  }

  /** Takes in one response. */
  receive(send: Send): void {
    checkForm(send)
    for (const name of send.without ?? []) this.missed.add(name)
    for (const { type, name, version } of send.resources) {
      if (this.#refused.has(`${type} ${name} ${version}`))
        throw new Error(`C8 ${name}@${version} was refused and came again`)
    }
    if (send.type === CLUSTER) this.#receiveClusters(send)
    else if (send.type === LISTENER) this.#receiveListeners(send)
    else this.#receiveNamed(send)
  }

  /** Gives up waiting for endpoints, and takes what it had under the name (15 s); answers with how many clusters waited. */
  fetchTimeout(): number {
    const waiting = [...this.warming].filter(([, item]) => this.#fault(item) !== 'ghost')
    for (const [name, item] of waiting) this.#warm(name, item)
    this.#release()
    return waiting.length
  }

  #receiveClusters(send: Send): void {
    const refusal = this.#refusal(send)
    if (refusal?.applied !== false) {
      for (const name of send.removed) this.#removeCluster(name)
      const good = send.resources.filter((item) => ['ghost', undefined].includes(this.#fault(item)))
      for (const item of good) this.#addCluster(item)
      const names = good.map(({ name }) => name).filter((name) => this.#hasEndpoints(name) && !this.endpoints.has(name))
      if (names.length > 0) this.outbox.push({ type: ENDPOINTS, request: { resource_names_subscribe: names } })
    }
    this.#unanswered.push(answer(send, refusal?.message))
    this.#release()
  }

  #removeCluster(name: string): void {
    this.#applied({ type: CLUSTER, name })
    this.clusters.delete(name)
    this.warming.delete(name)
    if (!this.#hasEndpoints(name)) return
    this.endpoints.delete(name)
    this.outbox.push({ type: ENDPOINTS, request: { resource_names_unsubscribe: [name] } })
  }

  #addCluster(item: Resource): void {
    this.#applied(item)
    const { name, version } = item
    if (!this.warming.has(name) && this.clusters.get(name)?.version === version) return
    this.warming.set(name, item)
    if (!this.#hasEndpoints(name) && this.#fault(item) !== 'ghost') this.#warm(name, item)
  }

  #warm(name: string, item: Resource): void {
    this.warming.delete(name)
    this.clusters.set(name, item)
  }

  #release(): void {
    if (this.warming.size > 0) return
    this.outbox.push(...this.#unanswered)
    if (this.#unanswered.length > 0 && !this.#listenersAsked) {
      this.#listenersAsked = true
      this.outbox.push({ type: LISTENER, request: {} })
    }
    this.#unanswered = []
  }

  #receiveListeners(send: Send): void {
    const refusal = this.#refusal(send)
    if (refusal?.applied !== false) {
      for (const name of send.removed) this.#removeListener(name)
      for (const item of send.resources) {
        if (this.#fault(item) !== undefined) continue
        this.#applied(item)
        if (!this.listeners.has(item.name))
          this.outbox.push({ type: ROUTES, request: { resource_names_subscribe: [item.name] } })
        this.listeners.set(item.name, item)
      }
    }
    this.outbox.push(answer(send, refusal?.message))
  }

  #removeListener(name: string): void {
    this.#applied({ type: LISTENER, name })
    this.#applied({ type: ROUTES, name })
    if (!this.listeners.delete(name)) return
    this.routes.delete(name)
    this.outbox.push({ type: ROUTES, request: { resource_names_unsubscribe: [name] } })
  }

  #receiveNamed(send: Send): void {
    const refusal = this.#refusal(send)
    for (const item of refusal === undefined ? send.resources : []) {
      this.#applied(item)
      if (item.type === ROUTES && this.listeners.has(item.name)) this.routes.set(item.name, item)
      if (item.type === ENDPOINTS) this.#assign(item)
    }
    this.outbox.push(answer(send, refusal?.message))
    this.#release()
  }

  #assign(item: Resource): void {
    const warming = this.warming.get(item.name)
    if (warming === undefined && !this.clusters.has(item.name)) return
    this.endpoints.set(item.name, item)
    if (warming !== undefined && this.#fault(warming) !== 'ghost') this.#warm(item.name, warming)
  }

  /** Something else was under this name since: what was refused may work now. */
  #applied({ type, name }: Pick<Resource, 'type' | 'name'>): void {
    for (const key of this.#refused) if (key.startsWith(`${type} ${name} `)) this.#refused.delete(key)
  }

  #refusal({ type, resources }: Send): { readonly message: string; readonly applied: boolean } | undefined {
    const faulty = resources.filter((item) => this.#fault(item) !== undefined)
    if (faulty.length === 0) return undefined
    if (type === CLUSTER) for (const { name } of faulty) this.refusedClusters.add(name)
    const of = (kind: Fault) => faulty.find((item) => this.#fault(item) === kind)
    const mute = of('mute')
    if (mute !== undefined) {
      if (resources.length === 1) this.#refuse([mute])
      return { message: 'missing ]: [', applied: false }
    }
    const whole = of('whole')
    if (whole !== undefined) {
      this.#refuse([whole])
      return { message: `Proto constraint validation failed (X: y): name: "${whole.name}" other: "z"`, applied: false }
    }
    this.#refuse(faulty)
    const list = faulty.map(({ name }) => `${name}: bad`).join(', ')
    return { message: `Error adding/updating ${type === LISTENER ? 'listener' : 'cluster'}(s) ${list}`, applied: true }
  }

  #refuse(items: readonly Resource[]): void {
    for (const item of items) {
      this.#applied(item)
      // Routes of a listener that is gone: they may be asked for again.
      if (item.type === ROUTES && !this.listeners.has(item.name)) continue
      this.#refused.add(`${item.type} ${item.name} ${item.version}`)
    }
  }
}

function answer({ type, nonce }: Send, message: string | undefined): Request {
  return { type, request: { response_nonce: nonce, ...(message === undefined ? {} : { error_detail: { message } }) } }
}
