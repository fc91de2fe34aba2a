import { any } from '../../protos/any.ts'
import {
  CLUSTER,
  EMPTY,
  ENDPOINTS,
  LISTENER,
  type Resource,
  ROUTES,
  resource,
  SECRET,
  type Snapshot,
  TYPES,
  type TypeUrl,
} from '../snapshot.ts'
import { type Answer, Subscription, type SubscriptionRequest } from './subscription.ts'

/** How long Envoy may keep the answer to new clusters back before they are taken away again, ms (C31, facts/envoy.md §2). */
export const GATE_DEADLINE_MS = 20_000

/** One response to send; it counts as sent when it is handed out. */
export interface Send {
  readonly type: TypeUrl
  readonly nonce: string
  readonly revision: string
  readonly resources: readonly Resource[]
  readonly removed: readonly string[]
  /** True: these clusters were not answered for in time and are withdrawn. */
  readonly withdrawn?: boolean
}

/** Types whose resources go out one a response: the nonce then names the culprit of a NACK. */
const ALONE: readonly TypeUrl[] = [ENDPOINTS, SECRET, ROUTES]

/**
 * What one stream has, wants and may be sent next. It always steers from what the client holds to the newest snapshot, so
 * snapshots in between are skipped (C23), in the order that breaks nothing (C25–C28): clusters with their endpoints,
 * secrets, listeners, then routes whose clusters are warm, then removals that nothing on the client refers to.
 */
export class Rollout {
  readonly subscriptions: ReadonlyMap<TypeUrl, Subscription>
  #target: Snapshot = EMPTY
  /** Clusters taken away at the deadline, by the version that was: not sent again until they change. */
  readonly #withdrawn = new Map<string, string>()
  readonly #withdrawnResponses = new Set<string>()
  readonly #now: () => number
  #nonces = 0

  constructor(target: Snapshot, now: () => number) {
    this.subscriptions = new Map(TYPES.map((type) => [type, new Subscription(type)]))
    this.#target = target
    this.#now = now
  }

  /** The snapshot that this stream is steered to. */
  get target(): Snapshot {
    return this.#target
  }

  /** Steers to another snapshot from here on. */
  retarget(target: Snapshot): void {
    this.#target = target
  }

  /** Takes in one request of a served type. */
  receive(type: TypeUrl, request: SubscriptionRequest): Answer | undefined {
    const answer = this.#of(type).receive(request)
    if (type === CLUSTER && answer?.kind === 'nack') this.#absolve(answer)
    return answer
  }

  /** The responses that may go out now, in order. Stop taking when the socket is full: what is not taken is not sent. */
  *next(): Generator<Send> {
    yield* this.#together(CLUSTER)
    yield* this.#overdueClusters()
    yield* this.#alone(ENDPOINTS, () => true)
    yield* this.#alone(SECRET, () => true)
    yield* this.#together(LISTENER)
    yield* this.#alone(ROUTES, (routes) => this.#mayRoute(routes))
    yield* this.#removals(LISTENER, () => true)
    yield* this.#removals(CLUSTER, (name) => !this.#referredTo(name))
  }

  /** When {@link next} must be asked again though nothing arrives; epoch ms. */
  deadline(): number | undefined {
    const waiting = this.#unansweredClusters().map(({ at }) => at + GATE_DEADLINE_MS)
    return waiting.length === 0 ? undefined : Math.min(...waiting)
  }

  /** Clusters that a route configuration waits for; empty when nothing holds it back. */
  waitsFor(routes: Resource): readonly string[] {
    const clusters = this.#of(CLUSTER)
    const endpoints = this.#of(ENDPOINTS)
    // C30: after a reconnect routes may be asked for before clusters; only changes of this stream are gated.
    if (!clusters.started) return []
    const claOpen = (name: string) =>
      endpoints.started && endpoints.wants(name) && this.#wanted(ENDPOINTS).has(name) && !endpoints.held.has(name)
    return routes.needs.filter((name) => !clusters.held.has(name) || claOpen(name))
  }

  /** True when the client has acknowledged everything it asked for of the newest snapshot. */
  get synced(): boolean {
    return TYPES.every((type) => {
      const subscription = this.#of(type)
      return subscription.outstanding.size === 0 && this.#due(type).length === 0 && this.#gone(type).length === 0
    })
  }

  /** Versions of one type that the client should have and has not acknowledged, refused ones included. */
  pending(type: TypeUrl): Resource[] {
    const subscription = this.#of(type)
    return [...this.#wanted(type).values()].filter(
      ({ name, version }) => subscription.wants(name) && subscription.held.get(name)?.version !== version,
    )
  }

  *#together(type: TypeUrl): Generator<Send> {
    const subscription = this.#of(type)
    if (!subscription.started || subscription.outstanding.size > 0) return
    const due = this.#due(type)
    if (due.length === 0) subscription.oneByOne = false
    // A name that the client asks for, does not hold, and that does not exist: say so at once (C19).
    const absent = [...subscription.forced].filter(
      (name) => !this.#wanted(type).has(name) && !subscription.held.has(name),
    )
    if (due.length === 0 && absent.length === 0 && !subscription.answerOwed) return
    const batch = subscription.oneByOne ? due.slice(0, 1) : due
    yield this.#send(type, batch, absent)
    if (type === CLUSTER) this.#sendEndpointsAgain(batch)
  }

  /** C28: an updated cluster warms until its endpoints come again, and Envoy does not ask for them. */
  #sendEndpointsAgain(clusters: readonly Resource[]): void {
    const endpoints = this.#of(ENDPOINTS)
    for (const { name } of clusters) if (endpoints.wants(name)) endpoints.forced.add(name)
  }

  *#alone(type: TypeUrl, may: (item: Resource) => boolean): Generator<Send> {
    const subscription = this.#of(type)
    for (const item of this.#due(type)) {
      if (!subscription.inFlight(item.name) && may(item)) yield this.#send(type, [item], [])
    }
  }

  /** Routes move when their clusters are warm. A client without any routes gets them also when a cluster was refused. */
  #mayRoute(routes: Resource): boolean {
    const waiting = this.waitsFor(routes)
    if (waiting.length === 0) return true
    const refused = (name: string) => this.#refuses(CLUSTER, name) || this.#withdrawn.has(name)
    return !this.#of(ROUTES).held.has(routes.name) && waiting.every(refused)
  }

  *#removals(type: TypeUrl, may: (name: string) => boolean): Generator<Send> {
    if (this.#of(type).outstanding.size > 0) return
    const names = this.#gone(type).filter(may)
    if (names.length > 0) yield this.#send(type, [], names)
  }

  /** Whether anything that the client has, or is being sent, may still refer to a cluster (C26). */
  #referredTo(cluster: string): boolean {
    const listeners = this.#of(LISTENER)
    const routes = this.#of(ROUTES)
    if (!listeners.started || (!routes.started && listeners.held.size > 0)) return true
    if (listeners.outstanding.size > 0 || routes.outstanding.size > 0) return true
    return [...routes.held].some(([name, { version, resource: held }]) => {
      const now = this.#wanted(ROUTES).get(name)
      const known = held ?? (now?.version === version ? now : undefined)
      // Routes of a version that we do not know may refer to anything.
      return known === undefined || known.needs.includes(cluster)
    })
  }

  /** A cluster whose load balancer cannot be built keeps every later answer back; taking it away releases them. */
  *#overdueClusters(): Generator<Send> {
    const clusters = this.#of(CLUSTER)
    for (const { nonce, sent, at } of this.#unansweredClusters()) {
      if (this.#now() < at + GATE_DEADLINE_MS) continue
      this.#withdrawnResponses.add(nonce)
      const fresh = [...sent.values()].filter((item) => item !== undefined && !clusters.held.has(item.name))
      for (const item of fresh) if (item !== undefined) this.#withdrawn.set(item.name, item.version)
      const names = fresh.map((item) => item?.name ?? '')
      if (names.length > 0) yield { ...this.#send(CLUSTER, [], names), withdrawn: true }
    }
  }

  #unansweredClusters() {
    return [...this.#of(CLUSTER).outstanding.values()].filter(
      ({ nonce, sent }) =>
        !this.#withdrawnResponses.has(nonce) && [...sent.values()].some((item) => item !== undefined),
    )
  }

  /** The late NACK of a withdrawn response says who was bad: the others may come back. */
  #absolve({ response, rejected }: Extract<Answer, { kind: 'nack' }>): void {
    if (rejected.length === 0) return
    for (const name of response.sent.keys()) if (!rejected.includes(name)) this.#withdrawn.delete(name)
  }

  /** What the client should have and does not, or must have again; what it refused in this very version is left out (C8). */
  #due(type: TypeUrl): Resource[] {
    const subscription = this.#of(type)
    if (!subscription.started) return []
    const due = [...this.#wanted(type).values()].filter(
      (item) =>
        subscription.wants(item.name) &&
        (subscription.forced.has(item.name) || subscription.held.get(item.name)?.version !== item.version) &&
        !this.#refuses(type, item.name) &&
        !this.#isWithdrawn(type, item),
    )
    return type === ENDPOINTS ? [...due, ...this.#emptyEndpoints(subscription)] : due
  }

  /** C19: endpoints that do not exist are an empty assignment; silence would keep the cluster warming for 15 s. */
  #emptyEndpoints({ forced }: Subscription): Resource[] {
    const missing = [...forced].filter((name) => !this.#wanted(ENDPOINTS).has(name))
    const content = (name: string) => any('envoy.config.endpoint.v3.ClusterLoadAssignment', { cluster_name: name })
    return missing.map((name) => resource(name, content(name)))
  }

  /** What a client of a listed type holds though it is gone. Endpoints, secrets and routes go with what refers to them (C19). */
  #gone(type: TypeUrl): string[] {
    if (ALONE.includes(type)) return []
    return [...this.#of(type).held.keys()].filter((name) => !this.#wanted(type).has(name))
  }

  #refuses(type: TypeUrl, name: string): boolean {
    const version = this.#wanted(type).get(name)?.version
    return version !== undefined && this.#of(type).rejected.get(name) === version
  }

  #isWithdrawn(type: TypeUrl, { name, version }: Resource): boolean {
    return type === CLUSTER && this.#withdrawn.get(name) === version
  }

  #send(type: TypeUrl, resources: readonly Resource[], removed: readonly string[]): Send {
    const subscription = this.#of(type)
    const nonce = String(++this.#nonces)
    const sent = new Map<string, Resource | undefined>()
    for (const name of removed) sent.set(name, undefined)
    for (const item of resources) sent.set(item.name, item)
    subscription.outstanding.set(nonce, { nonce, sent, at: this.#now() })
    subscription.answerOwed = false
    for (const name of sent.keys()) subscription.forced.delete(name)
    return { type, nonce, revision: this.#target.revision, resources, removed }
  }

  #wanted(type: TypeUrl): ReadonlyMap<string, Resource> {
    return this.#target.resources.get(type) ?? new Map()
  }

  #of(type: TypeUrl): Subscription {
    const subscription = this.subscriptions.get(type)
    if (subscription === undefined) throw new Error(`no subscription state for ${type}`)
    return subscription
  }
}
