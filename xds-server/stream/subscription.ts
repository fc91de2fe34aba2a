import { CLUSTER, LISTENER, type Resource, type TypeUrl } from '../snapshot.ts'
import { culprits, isPartlyApplied } from './rejection.ts'

/** The parts of a DeltaDiscoveryRequest that change what a client is sent. */
export interface SubscriptionRequest {
  readonly resource_names_subscribe?: readonly string[]
  readonly resource_names_unsubscribe?: readonly string[]
  readonly initial_resource_versions?: Readonly<Record<string, string>>
  readonly response_nonce?: string
  readonly error_detail?: { readonly message?: string } | null
}

/** A response that is not yet answered. */
export interface Outstanding {
  readonly nonce: string
  /** What was sent under each name; `undefined`: its removal. */
  readonly sent: ReadonlyMap<string, Resource | undefined>
  /** Epoch ms. */
  readonly at: number
}

/** What a client holds under one name, as far as it has told us. */
export interface Held {
  readonly version: string
  /** Absent where the version came with `initial_resource_versions` and was in no snapshot since. */
  readonly resource?: Resource
}

/** What an answer to one of our responses said. */
export type Answer =
  | { readonly kind: 'ack'; readonly response: Outstanding }
  | {
      readonly kind: 'nack'
      readonly response: Outstanding
      readonly message: string
      readonly rejected: readonly string[]
    }

/** Types whose first request may name nothing and mean everything; for others that means nothing (C11). */
const WILDCARD_TYPES: readonly TypeUrl[] = [CLUSTER, LISTENER]
const WILDCARD = '*'

/** Stands for a removal where a version is expected; no version is empty. */
export const REMOVED = ''

/** One stream's subscription to one type: what the client wants, has, was sent and refused (C9, C11, C15–C18, C23, C24). */
export class Subscription {
  readonly type: TypeUrl
  readonly held = new Map<string, Held>()
  readonly outstanding = new Map<string, Outstanding>()
  /** Versions that the client refused, by name; never sent again unchanged (C8). {@link REMOVED}: it refused a removal. */
  readonly rejected = new Map<string, string>()
  /** Names of rejected responses: the client may have applied them or not, so whatever is wanted is sent again (C24). */
  readonly uncertain = new Set<string>()
  /** Names to send whatever the client holds: it asked for them, or must have them again (C17, C28). */
  readonly forced = new Set<string>()
  /** A first wildcard request is answered even with nothing (C20). */
  answerOwed = false
  /** After a rejection that names nothing: one resource a response, until the culprit is found. */
  oneByOne = false
  #started = false
  #wildcard = false
  readonly #names = new Set<string>()
  /** The newest unanswered response that has a name in it. */
  readonly #inFlight = new Map<string, Outstanding>()

  constructor(type: TypeUrl) {
    this.type = type
  }

  /** Whether the client has asked for this type on this stream at all. */
  get started(): boolean {
    return this.#started
  }

  /** Whether the client wants a resource of this name. */
  wants(name: string): boolean {
    return this.#wildcard || this.#names.has(name)
  }

  /** Notes a response that goes out now. */
  sending(response: Outstanding): void {
    this.answerOwed = false
    this.outstanding.set(response.nonce, response)
    for (const name of response.sent.keys()) {
      this.#inFlight.set(name, response)
      this.forced.delete(name)
    }
  }

  /** Takes note of resources that the client may have from an earlier stream. */
  recognise(known: ReadonlyMap<string, Resource>): void {
    for (const [name, { version, resource }] of this.held) {
      const item = known.get(name)
      if (resource === undefined && item?.version === version) this.held.set(name, { version, resource: item })
    }
  }

  /** Whether something under this name is on its way. */
  inFlight(name: string): boolean {
    return this.#inFlight.has(name)
  }

  /** The version that is on its way under this name; {@link REMOVED}: its removal; undefined: nothing is. */
  versionInFlight(name: string): string | undefined {
    const response = this.#inFlight.get(name)
    return response === undefined ? undefined : (response.sent.get(name)?.version ?? REMOVED)
  }

  /** Whether a removal of this name is not answered yet, though something newer may be on its way, too. */
  isRemoving(name: string): boolean {
    return [...this.outstanding.values()].some(({ sent }) => sent.has(name) && sent.get(name) === undefined)
  }

  /** Takes in one request: its subscription changes always (C16), its answer only where the nonce is one of ours (C4). */
  receive(request: SubscriptionRequest): Answer | undefined {
    if (!this.#started) this.#begin(request)
    for (const name of request.resource_names_subscribe ?? []) this.#subscribe(name, request)
    for (const name of request.resource_names_unsubscribe ?? []) this.#unsubscribe(name)
    const response = this.outstanding.get(request.response_nonce ?? '')
    if (response === undefined) return undefined
    this.#answered(response)
    return request.error_detail ? this.#reject(response, request.error_detail.message ?? '') : this.#accept(response)
  }

  #answered(response: Outstanding): void {
    this.outstanding.delete(response.nonce)
    for (const name of response.sent.keys()) {
      if (this.#inFlight.get(name) === response) this.#inFlight.delete(name)
    }
  }

  #begin({
    resource_names_subscribe: names = [],
    initial_resource_versions: versions = {},
  }: SubscriptionRequest): void {
    this.#started = true
    if (names.length === 0 && WILDCARD_TYPES.includes(this.type)) this.#wildcard = true
    this.answerOwed = this.#wildcard
    for (const [name, version] of Object.entries(versions)) this.held.set(name, { version })
  }

  #subscribe(name: string, { initial_resource_versions: versions = {} }: SubscriptionRequest): void {
    if (name === WILDCARD) {
      this.#wildcard = WILDCARD_TYPES.includes(this.type)
      this.answerOwed = this.#wildcard
      return
    }
    this.#names.add(name)
    if (!Object.hasOwn(versions, name)) this.forced.add(name)
  }

  #unsubscribe(name: string): void {
    if (name === WILDCARD) {
      this.#wildcard = false
      for (const held of this.held.keys()) if (!this.#names.has(held)) this.#forget(held)
      return
    }
    if (!this.#names.delete(name)) return
    if (this.#wildcard) {
      // C18: still wanted by the wildcard, so the client must be told whether it exists.
      this.forced.add(name)
      return
    }
    this.#forget(name)
  }

  #forget(name: string): void {
    this.held.delete(name)
    this.forced.delete(name)
    this.rejected.delete(name)
    this.uncertain.delete(name)
  }

  #accept(response: Outstanding): Answer {
    for (const [name, resource] of response.sent) this.#apply(name, resource)
    return { kind: 'ack', response }
  }

  #apply(name: string, resource: Resource | undefined): void {
    this.rejected.delete(name)
    this.uncertain.delete(name)
    if (resource === undefined) this.held.delete(name)
    // Unsubscribed while on its way: the client has dropped it, and so do we.
    else if (this.wants(name)) this.held.set(name, { version: resource.version, resource })
  }

  #reject(response: Outstanding, message: string): Answer {
    const rejected = culprits(response, message)
    const listed = isPartlyApplied(message)
    for (const [name, resource] of response.sent) {
      if (listed && !rejected.includes(name)) this.#apply(name, resource)
      else if (this.#holdsOrWants(name)) this.uncertain.add(name)
    }
    for (const name of rejected) {
      if (this.#holdsOrWants(name)) this.rejected.set(name, response.sent.get(name)?.version ?? REMOVED)
    }
    if (rejected.length === 0 && response.sent.size > 0) this.oneByOne = true
    return { kind: 'nack', response, message, rejected }
  }

  #holdsOrWants(name: string): boolean {
    return this.wants(name) || this.held.has(name)
  }
}

/** All subscriptions of one stream. */
export type Subscriptions = ReadonlyMap<TypeUrl, Subscription>

/** The subscription to one of the types that are served. */
export function subscriptionTo(subscriptions: Subscriptions, type: TypeUrl): Subscription {
  const subscription = subscriptions.get(type)
  if (subscription === undefined) throw new Error(`no subscription state for ${type}`)
  return subscription
}
