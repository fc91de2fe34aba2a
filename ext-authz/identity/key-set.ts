import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { LRUCache } from 'lru-cache'
import type { IssuerPolicy } from '../../policies/policy.ts'
import { RefetchBucket } from './refetch-bucket.ts'

/** How often an issuer's keys are fetched in the background, ms (design.md §4). */
const REFRESH_MS = 60_000
/** How soon a failed background fetch is tried again, ms. */
const RETRY_MS = 5_000
/** How long the last good keys are used while the issuer does not answer, ms (design.md §8). */
export const MAX_STALE_MS = 24 * 3_600_000
/** How long requests are refused without asking again after a fetch for a first set failed, ms. */
const FIRST_FETCH_PAUSE_MS = 1_000
/** How long a key id that the issuer did not have is not asked for again, ms. */
const ABSENT_MS = 30_000

/** What a key set needs from its surroundings; clock and fetch are injected. */
export interface KeySetHost {
  readonly now: () => number
  /** 0 ≤ x < 1; spreads the refreshes of many workers. */
  readonly random: () => number
  readonly fetchKeys: (issuer: IssuerPolicy) => Promise<JSONWebKeySet>
  /** Told of every new set, so that a restarted worker knows it before its first request. */
  readonly keep: (issuer: IssuerPolicy, keys: StoredKeys) => void
  readonly onFailure: (issuer: IssuerPolicy, error: unknown) => void
}

/** A fetched set with its time, epoch ms. */
export interface StoredKeys {
  readonly fetchedAt: number
  readonly keys: JSONWebKeySet
}

/** What asking for a key gave: a finder over a fresh enough set, an unknown key, or no trustworthy answer. */
export type KeyAnswer =
  | { readonly at: 'known'; readonly find: JWTVerifyGetKey }
  | { readonly at: 'unknown' | 'unavailable' }

/**
 * The keys of one issuer (ID-4): refreshed in the background, the last good set kept through an outage, an unknown
 * `kid` fetched for at a bounded rate, a removed key gone with the fetch that lacks it.
 */
export class KeySet {
  /** Rises whenever a key was removed or changed; what was verified under an older value is no longer believed. */
  generation = 0
  #held: (StoredKeys & { readonly find: JWTVerifyGetKey; readonly kids: ReadonlySet<string> }) | undefined
  #fetching: Promise<boolean> | undefined
  #failedAt: number | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #issuer: IssuerPolicy
  readonly #host: KeySetHost
  readonly #bucket: RefetchBucket
  readonly #absent: LRUCache<string, true>

  constructor(issuer: IssuerPolicy, host: KeySetHost, stored?: StoredKeys) {
    this.#issuer = issuer
    this.#host = host
    this.#bucket = new RefetchBucket(host.now)
    this.#absent = new LRUCache({ max: 1000, ttl: ABSENT_MS })
    if (stored !== undefined) this.#hold(stored)
    this.#schedule(stored === undefined ? 0 : RETRY_MS * host.random())
  }

  /** The finder for a token's key id; fetches at most once where the id is unknown. */
  async keyFor(kid: string | undefined): Promise<KeyAnswer> {
    if (this.#held === undefined && !this.#failedWithin(FIRST_FETCH_PAUSE_MS)) await this.#refetch()
    const known = this.#known(kid)
    if (known !== undefined) return known
    if (kid !== undefined && this.#held !== undefined && this.#mayAskFor(kid)) {
      await this.#refetch()
      const fetched = this.#known(kid)
      if (fetched !== undefined) return fetched
      if (this.#failedAt === undefined) this.#absent.set(kid, true)
    }
    return { at: this.#held === undefined || this.#failedAt !== undefined || this.#stale() ? 'unavailable' : 'unknown' }
  }

  /** Stops the background refresh; what was verified with this set is no longer believed. */
  close(): void {
    this.generation += 1
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Joining a fetch that is under way costs nothing; starting one takes a token of the bucket. */
  #mayAskFor(kid: string): boolean {
    return !this.#absent.has(kid) && (this.#fetching !== undefined || this.#bucket.take())
  }

  #known(kid: string | undefined): KeyAnswer | undefined {
    const held = this.#held
    if (held === undefined || this.#stale()) return undefined
    return kid === undefined || held.kids.has(kid) ? { at: 'known', find: held.find } : undefined
  }

  #failedWithin(ms: number): boolean {
    // A clock that was set back an hour is no reason to ask nobody for an hour.
    return this.#failedAt !== undefined && Math.abs(this.#host.now() - this.#failedAt) < ms
  }

  #stale(): boolean {
    return this.#held !== undefined && this.#host.now() - this.#held.fetchedAt > MAX_STALE_MS
  }

  #refetch(): Promise<boolean> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  async #fetch(): Promise<boolean> {
    try {
      const keys = await this.#host.fetchKeys(this.#issuer)
      const stored = { fetchedAt: this.#host.now(), keys }
      this.#hold(stored)
      this.#failedAt = undefined
      this.#host.keep(this.#issuer, stored)
    } catch (error) {
      this.#failedAt = this.#host.now()
      this.#host.onFailure(this.#issuer, error)
    }
    return this.#failedAt === undefined
  }

  #hold(stored: StoredKeys): void {
    const kids = new Set(stored.keys.keys.flatMap(({ kid }) => (kid === undefined ? [] : [kid])))
    const before = new Set(this.#held?.keys.keys.map((key) => JSON.stringify(key)))
    const after = new Set(stored.keys.keys.map((key) => JSON.stringify(key)))
    if (!before.isSubsetOf(after)) this.generation += 1
    this.#held = { ...stored, kids, find: createLocalJWKSet(stored.keys) }
  }

  #schedule(delay: number): void {
    this.#timer = setTimeout(async () => {
      const good = await this.#refetch()
      // close() while fetching: a cleared set must not start a new timer.
      if (this.#timer !== undefined) this.#schedule(good ? REFRESH_MS * (0.9 + this.#host.random() * 0.2) : RETRY_MS)
    }, delay).unref()
  }
}
