import { LRUCache } from 'lru-cache'
import type { Logger } from 'pino'
import type { IssuerPolicy } from '../../policies/policy.ts'
import { fetchKeys } from './jwks-source.ts'
import { keepKeys, readKeptKeys } from './kept-keys.ts'
import { KeySet, type KeySetHost, type StoredKeys } from './key-set.ts'

/** Most issuers a worker follows at once; the one unused longest goes first. */
const MAX_ISSUERS = 64
/** How often an outage that goes on is said again, ms. */
const SAY_AGAIN_MS = 60_000

/**
 * The key sets of all issuers that policies name. Each fetched set is also kept as a file, so that a worker that
 * restarts while its issuer is down goes on with the last good keys (design.md §8).
 */
export class KeySets {
  readonly #sets: LRUCache<string, KeySet>
  readonly #host: KeySetHost
  readonly #folder: string
  readonly #log: Logger
  readonly #now: () => number
  /** When an issuer's outage was last said; a minute without a word and it is said again. */
  readonly #saidDown = new LRUCache<string, number>({ max: MAX_ISSUERS })
  #kept: Map<string, StoredKeys> = new Map()

  constructor(options: { folder: string; log: Logger; now: () => number; random: () => number }) {
    this.#folder = options.folder
    this.#log = options.log
    this.#now = options.now
    this.#sets = new LRUCache({ max: MAX_ISSUERS, dispose: (set: KeySet) => set.close() })
    this.#host = {
      now: options.now,
      random: options.random,
      fetchKeys,
      keep: (issuer, keys) => void this.#fetched(issuer, keys),
      onFailure: (issuer, error) => this.#failed(issuer, error),
    }
  }

  /** The set of one issuer; a first mention starts its background refresh, from the kept keys where there are some. */
  of(issuer: IssuerPolicy): KeySet {
    const key = keyOf(issuer)
    const known = this.#sets.get(key)
    if (known !== undefined) return known
    const made = new KeySet(issuer, this.#host, this.#kept.get(key))
    this.#kept.delete(key)
    this.#sets.set(key, made)
    return made
  }

  /**
   * Reads the sets that an earlier life of this worker kept. They wait for the first policy that names their issuer: one that no
   * policy names any more is not asked for its keys.
   */
  async restore(): Promise<void> {
    this.#kept = await readKeptKeys(this.#folder, this.#now(), (file, err) =>
      this.#log.warn({ err, file }, 'kept issuer keys skipped'),
    )
  }

  /** Stops every background refresh. */
  close(): void {
    this.#sets.clear()
  }

  async #fetched(issuer: IssuerPolicy, keys: StoredKeys): Promise<void> {
    const key = keyOf(issuer)
    if (this.#saidDown.delete(key)) this.#log.info({ issuer: issuer.name }, 'issuer keys refreshed again')
    try {
      await keepKeys(this.#folder, key, keys)
    } catch (error) {
      this.#log.warn({ err: error, issuer: issuer.name }, 'issuer keys not kept; a restart needs the issuer')
    }
  }

  #failed(issuer: IssuerPolicy, err: unknown): void {
    const key = keyOf(issuer)
    const silentMs = Math.abs(this.#now() - (this.#saidDown.get(key) ?? Number.NEGATIVE_INFINITY))
    if (silentMs < SAY_AGAIN_MS) return
    this.#saidDown.set(key, this.#now())
    this.#log.warn({ err, issuer: issuer.name }, 'issuer keys not refreshed')
  }
}

/** Two policies share a set when they fetch the same keys for the same algorithms. */
function keyOf(issuer: IssuerPolicy): string {
  return JSON.stringify([issuer.issuer, issuer.jwks, issuer.algorithms])
}
