import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { identityText, verifiedText } from './audit/known-caller.ts'
import type { Identity } from './identity/identity.ts'
import type { KeySet } from './identity/key-set.ts'
import type { Verified, VerifiedToken } from './identity/verify.ts'
import type { LivePolicy } from './live-policy.ts'
import type { TargetName } from './verdict.ts'

/** Most verified tokens a worker remembers (ID-8): ten thousand callers, and room for those who come once. 2.4 KB each. */
export const MAX_TOKENS = 10_500
/** Most policies whose consent is remembered for one token. */
const MAX_CONSENTS = 32
/** Longest list that is looked up, characters of its JSON. */
const MAX_LIST = 512
/** Most texts of stages, and lists of roles and scopes, that are shared between tokens: callers with equal roles and scopes have equal ones. */
const MAX_TEXTS = 4096

/** A verified token: who it is, under which generation of keys, and which policies it has satisfied. */
export interface KnownToken {
  readonly kind: 'known'
  readonly identity: Identity
  readonly keys: KeySet
  readonly generation: number
  /** Epoch ms after which nothing here may be used. */
  readonly validUntil: number
  /** Of requests that passed every caller stage, the newest last; a list, because most callers use few routes. */
  consents: readonly Consent[]
  /** For records: {@link identityText}. */
  readonly identityText: string
  /** For records: {@link verifiedText}, shared by all tokens of one key. */
  readonly verifiedText: string
}

/** That a token satisfied every caller stage of a policy. */
export interface Consent {
  readonly live: LivePolicy
  /** The encoded answer, one character a byte: a buffer costs 300 bytes beside its own, and may keep a slab of 8 KiB alive. */
  readonly answer: string
  /** JSON text of the caller stages and the target, for the record. */
  readonly stages: string
  readonly target: TargetName | undefined
}

const NO_CONSENTS: readonly Consent[] = []

/**
 * Verified tokens by the SHA-256 of the `Authorization` header that carried them and the issuers they were verified for (design.md
 * §4). Only successes are kept: refused tokens cost a stranger's own requests, not our memory. One token is verified once at a time.
 */
export class Memo {
  readonly #known: LRUCache<string, KnownToken> | undefined
  readonly #verifying = new Map<string, Promise<Verified>>()
  readonly #texts = new Map<string, string>()
  readonly #lists = new Map<string, readonly string[]>()

  /** `max` 0 remembers nothing: every request verifies its token again. */
  constructor(max = MAX_TOKENS) {
    this.#known = max === 0 ? undefined : new LRUCache({ max })
  }

  /** The key of an `Authorization` header under a policy. */
  key(authorization: string, live: LivePolicy): string {
    return `${hash('sha256', authorization, 'base64')}${live.issuersId}`
  }

  /** A token that is still good: not expired, its trial not over, its key not removed (ID-8). */
  get(key: string, now: number): KnownToken | undefined {
    const known = this.#known?.get(key)
    if (known === undefined) return undefined
    if (now < known.validUntil && known.keys.generation === known.generation) return known
    this.#known?.delete(key)
    return undefined
  }

  /** Remembers a verified token. */
  remember(key: string, verified: VerifiedToken, now: number): KnownToken {
    const { identity, keys, generation } = verified
    const expiry = verified.expiresAt
    const trialEnd = identity.trial ? (identity.trialExpiresAt ?? expiry) : expiry
    // A trial that has ended already changes no more: until the token ends, the refusal stands.
    const validUntil = trialEnd > now ? Math.min(expiry, trialEnd) : expiry
    const known: KnownToken = {
      kind: 'known',
      identity: this.#lean(identity),
      keys,
      generation,
      validUntil,
      consents: NO_CONSENTS,
      identityText: identityText(identity),
      verifiedText: this.#shared(verifiedText(verified.verification)),
    }
    this.#known?.set(key, known)
    return known
  }

  /** Remembers that a token satisfied every caller stage of a policy, with the answer to give. */
  consent(known: KnownToken, { live, answer, stages, target }: Consent): void {
    const before = known.consents.length < MAX_CONSENTS ? known.consents : NO_CONSENTS
    // Not pushed: an array that grows has room for 16 more, which most tokens never need.
    known.consents = [...before, { live, answer, stages: this.#shared(stages), target }]
  }

  /** What {@link consent} remembered. */
  consented(known: KnownToken, live: LivePolicy): Consent | undefined {
    for (const consent of known.consents) if (consent.live === live) return consent
    return undefined
  }

  /** The same identity, with what it has in common with others only once in memory. */
  #lean(identity: Identity): Identity {
    const { issuer, roles, scopes } = identity
    return Object.freeze({
      ...identity,
      issuer: this.#shared(issuer),
      roles: this.#sharedList(roles),
      scopes: this.#sharedList(scopes),
    })
  }

  #sharedList<Item extends string>(list: readonly Item[]): readonly Item[] {
    const key = JSON.stringify(list)
    // A long list is hardly anybody else's.
    if (key.length > MAX_LIST) return list
    const shared = this.#lists.get(key)
    // The key is made of the items, so they are the same.
    if (shared !== undefined) return shared as readonly Item[]
    if (this.#lists.size >= MAX_TEXTS) this.#lists.clear()
    this.#lists.set(key, list)
    return list
  }

  #shared(text: string): string {
    const shared = this.#texts.get(text)
    if (shared !== undefined) return shared
    if (this.#texts.size >= MAX_TEXTS) this.#texts.clear()
    this.#texts.set(text, text)
    return text
  }

  /** Joins a verification of the same token that is under way, or starts it. */
  once(key: string, verify: () => Promise<Verified>): Promise<Verified> {
    const running = this.#verifying.get(key)
    if (running !== undefined) return running
    const started = verify().finally(() => this.#verifying.delete(key))
    this.#verifying.set(key, started)
    return started
  }
}
