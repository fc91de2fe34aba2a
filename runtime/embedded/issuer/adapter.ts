import { LRUCache } from 'lru-cache'
import type { Adapter, AdapterPayload } from 'oidc-provider'

/** Logins, codes and grants that are remembered at once; the oldest fall out. */
const MAX_ENTRIES = 2_000
const MAX_SECONDS = 86_400

/**
 * Makes the store behind one development issuer: in memory, bounded, gone with the process. It outlives the provider objects,
 * which are rebuilt at each key rotation.
 */
export function createAdapter(): (model: string) => Adapter {
  const entries = new LRUCache<string, AdapterPayload>({ max: MAX_ENTRIES })
  return (model) => new MemoryAdapter(entries, model)
}

class MemoryAdapter implements Adapter {
  readonly #entries: LRUCache<string, AdapterPayload>
  readonly #model: string

  constructor(entries: LRUCache<string, AdapterPayload>, model: string) {
    this.#entries = entries
    this.#model = model
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn: number | undefined): Promise<void> {
    this.#entries.set(this.#key(id), payload, { ttl: Math.min(expiresIn ?? MAX_SECONDS, MAX_SECONDS) * 1000 })
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    return this.#entries.get(this.#key(id))
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#first((payload) => payload.uid === uid)
  }

  async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.#first((payload) => payload.userCode === userCode)
  }

  async consume(id: string): Promise<void> {
    const payload = this.#entries.get(this.#key(id))
    if (payload !== undefined) payload['consumed'] = Math.floor(Date.now() / 1000)
  }

  async destroy(id: string): Promise<void> {
    this.#entries.delete(this.#key(id))
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    for (const [key, payload] of this.#entries.entries()) if (payload.grantId === grantId) this.#entries.delete(key)
  }

  #key(id: string): string {
    return `${this.#model}:${id}`
  }

  #first(matches: (payload: AdapterPayload) => boolean): AdapterPayload | undefined {
    for (const [key, payload] of this.#entries.entries()) {
      if (key.startsWith(`${this.#model}:`) && matches(payload)) return payload
    }
    return undefined
  }
}
