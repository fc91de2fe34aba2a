import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import type { Logger } from 'pino'
import type { IssuerPolicy } from '../../policies/policy.ts'
import { fetchKeys } from './jwks-source.ts'
import { KeySet, type KeySetHost, type StoredKeys } from './key-set.ts'

/** Most issuers a worker follows at once; the one unused longest goes first. */
const MAX_ISSUERS = 64

interface StoredFile extends StoredKeys {
  readonly issuer: IssuerPolicy
}

/**
 * The key sets of all issuers that policies name. Each fetched set is also kept as a file, so that a worker that
 * restarts while its issuer is down goes on with the last good keys (design.md §8).
 */
export class KeySets {
  readonly #sets: LRUCache<string, KeySet>
  readonly #host: KeySetHost
  readonly #folder: string
  readonly #log: Logger

  constructor(options: { folder: string; log: Logger; now: () => number; random: () => number }) {
    this.#folder = options.folder
    this.#log = options.log
    this.#sets = new LRUCache({ max: MAX_ISSUERS, dispose: (set: KeySet) => set.close() })
    this.#host = {
      now: options.now,
      random: options.random,
      fetchKeys,
      keep: (issuer, keys) => void this.#store(issuer, keys),
      onFailure: (issuer, error) => options.log.warn({ err: error, issuer: issuer.name }, 'issuer keys not refreshed'),
    }
  }

  /** The set of one issuer; a first mention starts its background refresh. */
  of(issuer: IssuerPolicy): KeySet {
    const key = keyOf(issuer)
    const known = this.#sets.get(key)
    if (known !== undefined) return known
    const made = new KeySet(issuer, this.#host)
    this.#sets.set(key, made)
    return made
  }

  /** Reads the sets that an earlier life of this worker kept; a file that cannot be read is skipped and said. */
  async restore(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith('.json')).slice(0, MAX_ISSUERS)
    for (const name of names) {
      try {
        const { issuer, fetchedAt, keys }: StoredFile = JSON.parse(await readFile(join(this.#folder, name), 'utf8'))
        this.#sets.set(keyOf(issuer), new KeySet(issuer, this.#host, { fetchedAt, keys }))
      } catch (error) {
        this.#log.warn({ err: error, file: name }, 'kept issuer keys skipped')
      }
    }
  }

  /** Stops every background refresh. */
  close(): void {
    this.#sets.clear()
  }

  async #store(issuer: IssuerPolicy, keys: StoredKeys): Promise<void> {
    const path = join(this.#folder, `${createHash('sha256').update(keyOf(issuer)).digest('hex').slice(0, 16)}.json`)
    const file: StoredFile = { issuer, ...keys }
    try {
      await writeFile(`${path}.${process.pid}`, JSON.stringify(file), { mode: 0o600 })
      await rename(`${path}.${process.pid}`, path)
    } catch (error) {
      this.#log.warn({ err: error, issuer: issuer.name }, 'issuer keys not kept; a restart needs the issuer')
    }
  }
}

/** Two policies share a set when they fetch the same keys for the same algorithms. */
function keyOf(issuer: IssuerPolicy): string {
  return JSON.stringify([issuer.issuer, issuer.jwks, issuer.algorithms])
}
