import { generateKeyPair, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { exportJWK, type JSONWebKeySet } from 'jose'
import type { Identity } from '../../ext-authz/identity/identity.ts'

/** Tokens that come again and again. */
export const KNOWN = 10_000
/** One request in this many carries a token that was never seen before: 5 %. */
const FRESH_EVERY = 20
/** Prime, and no factor of {@link KNOWN}: steps through all known tokens in an order without neighbours. */
const STRIDE = 7919
const KID = 'bench'
/** The `iss` of every token. */
export const BENCH_ISSUER = 'https://issuer.bench'

/** RS256 tokens in the mix of the benchmark, as Authorization headers. */
export class TokenMix {
  readonly #known: readonly string[]
  readonly #fresh: readonly string[]
  readonly #publicKey: KeyObject

  private constructor(known: readonly string[], fresh: readonly string[], publicKey: KeyObject) {
    this.#known = known
    this.#fresh = fresh
    this.#publicKey = publicKey
  }

  /** Signs all tokens beforehand, so that none is signed while something is measured. */
  static async make(freshTokens: number): Promise<TokenMix> {
    const { privateKey, publicKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
    const headers = await Promise.all(
      Array.from({ length: KNOWN + freshTokens }, (_, user) => signed(user, privateKey)),
    )
    return new TokenMix(headers.slice(0, KNOWN), headers.slice(KNOWN), publicKey)
  }

  /** What the issuer publishes. */
  async keys(): Promise<JSONWebKeySet> {
    return { keys: [{ ...(await exportJWK(this.#publicKey)), kid: KID, alg: 'RS256', use: 'sig' }] }
  }

  /** Every known token once. */
  known(): () => string {
    let sent = 0
    return () => this.#known[sent++ % KNOWN] ?? ''
  }

  /**
   * The mix, from the beginning: each variant has its own, so that what is fresh for one is fresh for all. `again` allows fresh tokens
   * to come again when they are used up; for authorizers that do not look at them. Without it that is an error.
   */
  stream(again: boolean): () => string {
    let sent = 0
    let fresh = 0
    return () => {
      sent += 1
      if (sent % FRESH_EVERY !== 0) return this.#known[(sent * STRIDE) % KNOWN] ?? ''
      const token = this.#fresh[again ? fresh++ % this.#fresh.length : fresh++]
      if (token !== undefined) return token
      throw new Error(
        `all ${this.#fresh.length} fresh tokens are used up; raise the requests/s that run.ts makes them for`,
      )
    }
  }
}

/** Who the token of a user says it is, as an authorizer that has verified it knows it. */
export function benchIdentity(user: number): Identity {
  return {
    issuer: BENCH_ISSUER,
    subject: `subject-${user}`,
    userId: `user-${user}`,
    email: `user-${user}@example.com`,
    customerId: `customer-${user % 100}`,
    roles: ['developer'],
    roleLevel: 3,
    scopes: ['agents:read', 'agents:write'],
    tier: '',
    trial: false,
    tokenId: '',
    project: '',
    service: '',
    governorAgentId: '',
    expiresAt: 0,
  }
}

async function signed(user: number, key: KeyObject): Promise<string> {
  const { issuer, subject, userId, email, customerId, roles, scopes, trial } = benchIdentity(user)
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: issuer,
    sub: subject,
    user_id: userId,
    email,
    customer_id: customerId,
    roles,
    scopes,
    trial_mode: trial,
    iat: now,
    exp: now + 7200,
  }
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const unsigned = `${part({ alg: 'RS256', typ: 'JWT', kid: KID })}.${part(claims)}`
  const signature = await promisify(sign)('RSA-SHA256', Buffer.from(unsigned), key)
  return `Bearer ${unsigned}.${signature.toString('base64url')}`
}
