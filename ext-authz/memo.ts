import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Identity } from './identity/identity.ts'
import type { KeySet } from './identity/key-set.ts'
import type { Verified, VerifiedToken } from './identity/verify.ts'
import type { LivePolicy } from './live-policy.ts'

/** Most verified tokens a worker remembers (ID-8): ten thousand callers, and room for those who come once. 2 KB each. */
export const MAX_TOKENS = 12_000
/** Most policies whose consent is remembered for one token. */
const MAX_CONSENTS = 32

/** A verified token: who it is, under which generation of keys, and which policies it has satisfied. */
export interface KnownToken {
  readonly kind: 'known'
  readonly identity: Identity
  readonly keys: KeySet
  readonly generation: number
  /** Epoch ms after which nothing here may be used. */
  readonly validUntil: number
  /** The encoded answer per policy, one character a byte; only of requests that passed every caller stage. */
  readonly consents: Map<LivePolicy, string>
}

/**
 * Verified tokens by the SHA-256 of the `Authorization` header that carried them and the issuers they were verified for (design.md
 * §4). Only successes are kept: refused tokens cost a stranger's own requests, not our memory. One token is verified once at a time.
 */
export class Memo {
  readonly #known: LRUCache<string, KnownToken> | undefined
  readonly #verifying = new Map<string, Promise<Verified>>()

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
    const known: KnownToken = { kind: 'known', identity, keys, generation, validUntil, consents: new Map() }
    this.#known?.set(key, known)
    return known
  }

  /** Remembers that a token satisfied every caller stage of a policy, with the answer to give. */
  consent(known: KnownToken, live: LivePolicy, answer: Buffer): void {
    if (known.consents.size >= MAX_CONSENTS) known.consents.clear()
    // As text: a buffer costs 300 bytes beside its own, and an encoder's is part of a slab of 8 KiB that it would keep alive.
    known.consents.set(live, answer.toString('latin1'))
  }

  /** The answer remembered by {@link consent}. */
  consented(known: KnownToken, live: LivePolicy): Buffer | undefined {
    const answer = known.consents.get(live)
    return answer === undefined ? undefined : Buffer.from(answer, 'latin1')
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
