import { CLUSTER, LISTENER, type Resource, type TypeUrl } from '../snapshot.ts'

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
  /** Absent where the version came with `initial_resource_versions` and is none that we have now. */
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

/** One stream's subscription to one type: what the client wants, has, was sent and refused (C9, C11, C15–C18, C23, C24). */
export class Subscription {
  readonly type: TypeUrl
  readonly held = new Map<string, Held>()
  readonly outstanding = new Map<string, Outstanding>()
  /** Versions that the client refused, by name; never sent again unchanged (C8). */
  readonly rejected = new Map<string, string>()
  /** Names to send whatever the client holds: it asked for them, or must have them again (C17, C28). */
  readonly forced = new Set<string>()
  /** A first wildcard request is answered even with nothing (C20). */
  answerOwed = false
  /** After a rejection that names nothing: one resource a response, until the culprit is found. */
  oneByOne = false
  #started = false
  #wildcard = false
  readonly #names = new Set<string>()

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

  /** Names it wants one by one, known to us or not (C13). */
  get names(): ReadonlySet<string> {
    return this.#names
  }

  /** Takes in one request: its subscription changes always (C16), its answer only where the nonce is one of ours (C4). */
  receive(request: SubscriptionRequest): Answer | undefined {
    if (!this.#started) this.#begin(request)
    for (const name of request.resource_names_subscribe ?? []) this.#subscribe(name, request)
    for (const name of request.resource_names_unsubscribe ?? []) this.#unsubscribe(name)
    const response = this.outstanding.get(request.response_nonce ?? '')
    if (response === undefined) return undefined
    this.outstanding.delete(response.nonce)
    return request.error_detail ? this.#reject(response, request.error_detail.message ?? '') : this.#accept(response)
  }

  /** Whether a response under this name is on its way. */
  inFlight(name: string): boolean {
    return [...this.outstanding.values()].some(({ sent }) => sent.has(name))
  }

  #begin({
    resource_names_subscribe: names = [],
    initial_resource_versions: versions = {},
  }: SubscriptionRequest): void {
    this.#started = true
    if (names.length === 0 && WILDCARD_TYPES.includes(this.type)) this.#wildcard = true
    this.answerOwed = this.#wildcard || names.includes(WILDCARD)
    for (const [name, version] of Object.entries(versions)) this.held.set(name, { version })
  }

  #subscribe(name: string, { initial_resource_versions: versions = {} }: SubscriptionRequest): void {
    if (name === WILDCARD) {
      this.#wildcard = WILDCARD_TYPES.includes(this.type)
      return
    }
    this.#names.add(name)
    if (!Object.hasOwn(versions, name)) this.forced.add(name)
  }

  #unsubscribe(name: string): void {
    if (name === WILDCARD) {
      this.#wildcard = false
      for (const held of this.held.keys()) if (!this.#names.has(held)) this.held.delete(held)
      return
    }
    if (!this.#names.delete(name)) return
    if (this.#wildcard) {
      // C18: still wanted by the wildcard, so the client must be told whether it exists.
      this.forced.add(name)
      return
    }
    this.held.delete(name)
    this.forced.delete(name)
    this.rejected.delete(name)
  }

  #accept(response: Outstanding): Answer {
    for (const [name, resource] of response.sent) this.#apply(name, resource)
    return { kind: 'ack', response }
  }

  #apply(name: string, resource: Resource | undefined): void {
    this.rejected.delete(name)
    if (resource === undefined) this.held.delete(name)
    // Unsubscribed while on its way: the client has dropped it, and so do we.
    else if (this.wants(name)) this.held.set(name, { version: resource.version, resource })
  }

  #reject(response: Outstanding, message: string): Answer {
    const rejected = culprits(response, message)
    const applied = partlyApplied(message) ? [...response.sent].filter(([name]) => !rejected.includes(name)) : []
    for (const [name, resource] of applied) this.#apply(name, resource)
    for (const name of rejected) this.rejected.set(name, response.sent.get(name)?.version ?? '')
    if (rejected.length === 0) this.oneByOne = true
    return { kind: 'nack', response, message, rejected }
  }
}

/** Envoy applies the good clusters and listeners of a response and says so in these words (facts/envoy.md §2). */
function partlyApplied(message: string): boolean {
  return /Error adding\/updating (?:cluster|listener)\(s\)/.test(message)
}

/** Whom a rejection names: the only one of a response; those listed as failed; or the one whose message is dumped (C24). */
function culprits({ sent }: Outstanding, message: string): string[] {
  const names = [...sent.keys()]
  if (names.length === 1) return names
  const quoted = names.filter((name) => message.includes(`name: "${name}"`))
  if (!partlyApplied(message)) return quoted
  const listed = names.filter((name) => message.includes(` ${name}: `))
  return listed.length > 0 ? listed : names
}
