import { any } from '../../protos/any.ts'
import {
  CLUSTER,
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
import { isReferredTo, isWarm } from './dependencies.ts'
import { due, gone, pending, refuses, type Wanted } from './difference.ts'
import { Gates } from './gates.ts'
import {
  type Answer,
  Subscription,
  type SubscriptionRequest,
  type Subscriptions,
  subscriptionTo,
} from './subscription.ts'
import { Withdrawals } from './withdrawals.ts'

/** One response to send; it counts as sent when it is handed out. */
export interface Send {
  readonly type: TypeUrl
  readonly nonce: string
  readonly revision: string
  readonly resources: readonly Resource[]
  readonly removed: readonly string[]
  /** True: these clusters were not answered for in time and are taken back (C31). */
  readonly withdrawn?: boolean
  /** Routes that go out though these clusters are not warm: waiting ended, or has no end (C31). */
  readonly without?: readonly string[]
}

/** Types whose resources go out one a response: the nonce then names the culprit of a NACK. */
const ALONE: readonly TypeUrl[] = [ENDPOINTS, SECRET, ROUTES]

/**
 * What one stream has, wants and may be sent next. It always steers from what the client holds to the newest snapshot, so
 * snapshots in between are skipped (C23), in the order that breaks nothing (C25–C28): clusters with their endpoints,
 * secrets, listeners (those that leave together with those that come), then routes whose clusters are warm, then the removal of
 * clusters that nothing on the client refers to.
 */
export class Rollout {
  readonly subscriptions: Subscriptions
  #target: Snapshot
  readonly #withdrawals: Withdrawals
  readonly #gates: Gates
  readonly #now: () => number
  #nonces = 0

  constructor(target: Snapshot, now: () => number) {
    this.subscriptions = new Map(TYPES.map((type) => [type, new Subscription(type)]))
    this.#target = target
    this.#now = now
    this.#gates = new Gates(now)
    this.#withdrawals = new Withdrawals(this.#of(CLUSTER), now)
  }

  /** The snapshot that this stream is steered to. */
  get target(): Snapshot {
    return this.#target
  }

  /** Steers to another snapshot from here on. */
  retarget(target: Snapshot): void {
    this.#target = target
    for (const [type, subscription] of this.subscriptions) subscription.recognise(this.#wanted(type))
  }

  /** Takes in one request of a served type. */
  receive(type: TypeUrl, request: SubscriptionRequest): Answer | undefined {
    const subscription = this.#of(type)
    const isFirst = !subscription.started
    const answer = subscription.receive(request)
    if (isFirst) subscription.recognise(this.#wanted(type))
    if (type === CLUSTER && answer !== undefined) this.#withdrawals.answered(answer)
    return answer
  }

  /** The responses that may go out now, in order. Stop taking when the socket is full: what is not taken is not sent. */
  *next(): Generator<Send> {
    yield* this.#overdueClusters()
    yield* this.#together(CLUSTER)
    yield* this.#alone(ENDPOINTS)
    yield* this.#alone(SECRET)
    yield* this.#together(LISTENER)
    yield* this.#routes()
    yield* this.#removals(LISTENER, () => true)
    yield* this.#removals(CLUSTER, (name) => !isReferredTo(name, this.subscriptions))
  }

  /** When {@link next} must be asked again though nothing arrives; epoch ms. */
  deadline(): number | undefined {
    const at = Math.min(this.#withdrawals.deadline() ?? Infinity, this.#gates.deadline() ?? Infinity)
    return Number.isFinite(at) ? at : undefined
  }

  /** Clusters that a route configuration waits for; empty when nothing holds it back. */
  waitsFor(routes: Resource): readonly string[] {
    // C30: after a reconnect routes may be asked for before clusters; only changes of this stream are gated.
    if (!this.#of(CLUSTER).started) return []
    const now = this.#of(ROUTES).held.get(routes.name)?.resource?.needs ?? []
    return routes.needs.filter(
      (name) => !now.includes(name) && !isWarm(name, this.subscriptions, this.#wanted(ENDPOINTS)),
    )
  }

  /** True when the client has acknowledged everything it asked for of the newest snapshot. */
  get synced(): boolean {
    return this.atRest && TYPES.every((type) => this.pending(type).length === 0)
  }

  /** True when nothing more will happen unless the client or the snapshot changes; what was refused stays refused. */
  get atRest(): boolean {
    return TYPES.every(
      (type) => this.#of(type).outstanding.size === 0 && this.#due(type).length === 0 && this.#gone(type).length === 0,
    )
  }

  /** What the client should have and has not acknowledged, refused ones included. */
  pending(type: TypeUrl): Resource[] {
    return pending(this.#of(type), this.#wanted(type))
  }

  /** Whether the client refused this very resource, or it was withdrawn for want of an answer. */
  isRefused(item: Resource): boolean {
    return refuses(this.#of(item.type), this.#wanted(item.type), item.name) || this.#isWithdrawn(item)
  }

  *#together(type: TypeUrl): Generator<Send> {
    const subscription = this.#of(type)
    if (!subscription.started || this.#isBusy(type)) return
    const changed = this.#due(type)
    if (changed.length === 0 && this.#gone(type).length === 0) subscription.oneByOne = false
    // A name that the client asks for, does not hold, and that does not exist: say so at once (C19).
    const absent = [...subscription.forced].filter(
      (name) => !this.#wanted(type).has(name) && !subscription.held.has(name),
    )
    // Envoy removes first, so a listener may have the port of one that leaves.
    const leaving = type === LISTENER && !subscription.oneByOne ? this.#gone(LISTENER) : []
    if (changed.length + absent.length + leaving.length === 0 && !subscription.answerOwed) return
    const batch = subscription.oneByOne ? changed.slice(0, 1) : changed
    const send = this.#send(type, batch, [...absent, ...leaving])
    if (type === CLUSTER) this.#sendEndpointsAgain(batch)
    yield send
  }

  /**
   * C28: an updated cluster warms until its endpoints come again, and Envoy does not ask for them. On a reconnect it asks after
   * its clusters, saying what it has: that must not count. A cluster that has no endpoints any more keeps the old ones.
   */
  #sendEndpointsAgain(clusters: readonly Resource[]): void {
    const wanted = this.#wanted(ENDPOINTS)
    for (const { name } of clusters) if (wanted.has(name)) this.#of(ENDPOINTS).forced.add(name)
  }

  *#alone(type: TypeUrl): Generator<Send> {
    for (const item of this.#due(type)) {
      if (!this.#of(type).inFlight(item.name)) yield this.#send(type, [item], [])
    }
  }

  /** Routes move when their clusters are warm, or at the deadline (C26, C27, C31). */
  *#routes(): Generator<Send> {
    const waiting = this.#due(ROUTES).map((item) => ({ item, clusters: this.waitsFor(item) }))
    this.#gates.waitFor(new Set(waiting.flatMap(({ clusters }) => clusters)))
    for (const { item, clusters } of waiting) {
      if (this.#of(ROUTES).inFlight(item.name) || !clusters.every((name) => this.#mayDoWithout(name, item))) continue
      const send = this.#send(ROUTES, [item], [])
      yield clusters.length === 0 ? send : { ...send, without: clusters }
    }
  }

  /** A client without any routes gets them at once when it is known that a cluster will not come: the other routes work. */
  #mayDoWithout(cluster: string, routes: Resource): boolean {
    if (this.#gates.expired(cluster)) return true
    const known = this.#wanted(CLUSTER).get(cluster)
    return known !== undefined && this.isRefused(known) && !this.#of(ROUTES).held.has(routes.name)
  }

  *#removals(type: TypeUrl, may: (name: string) => boolean): Generator<Send> {
    if (this.#isBusy(type)) return
    const names = this.#gone(type).filter(may)
    const batch = this.#of(type).oneByOne ? names.slice(0, 1) : names
    if (batch.length > 0) yield this.#send(type, [], batch)
  }

  /** A cluster whose load balancer cannot be built keeps every later answer back; taking it back releases them. */
  *#overdueClusters(): Generator<Send> {
    for (const { restored, removed } of this.#withdrawals.take()) {
      const send = this.#send(CLUSTER, restored, removed)
      this.#sendEndpointsAgain(restored)
      yield { ...send, withdrawn: true }
    }
  }

  /** C23: one unanswered response a type; one that is overdue blocks nothing any more, for a better one may release it. */
  #isBusy(type: TypeUrl): boolean {
    const { outstanding } = this.#of(type)
    if (type !== CLUSTER) return outstanding.size > 0
    return [...outstanding.keys()].some((nonce) => !this.#withdrawals.isOverdue(nonce))
  }

  #due(type: TypeUrl): Resource[] {
    const subscription = this.#of(type)
    const changed = due(subscription, this.#wanted(type))
    if (type === CLUSTER) return changed.filter((item) => !this.#isWithdrawn(item))
    return type === ENDPOINTS ? [...changed, ...this.#emptyEndpoints(subscription)] : changed
  }

  /** C19: endpoints that do not exist are an empty assignment; silence would keep the cluster warming for 15 s. */
  #emptyEndpoints(subscription: Subscription): Resource[] {
    const missing = [...subscription.forced].filter(
      (name) => subscription.wants(name) && !this.#wanted(ENDPOINTS).has(name),
    )
    const content = (name: string) => any('envoy.config.endpoint.v3.ClusterLoadAssignment', { cluster_name: name })
    return missing.map((name) => resource(name, content(name)))
  }

  /** What a client of a listed type holds though it is gone. Endpoints, secrets and routes go with what refers to them (C19). */
  #gone(type: TypeUrl): string[] {
    return ALONE.includes(type) ? [] : gone(this.#of(type), this.#wanted(type))
  }

  #isWithdrawn({ type, name, version }: Resource): boolean {
    return type === CLUSTER && this.#withdrawals.has(name, version)
  }

  #send(type: TypeUrl, resources: readonly Resource[], removed: readonly string[]): Send {
    const nonce = String(++this.#nonces)
    const sent = new Map<string, Resource | undefined>(removed.map((name) => [name, undefined]))
    for (const item of resources) sent.set(item.name, item)
    this.#of(type).sending({ nonce, sent, at: this.#now() })
    return { type, nonce, revision: this.#target.revision, resources, removed }
  }

  #wanted(type: TypeUrl): Wanted {
    return this.#target.resources.get(type) ?? new Map()
  }

  #of(type: TypeUrl): Subscription {
    return subscriptionTo(this.subscriptions, type)
  }
}
