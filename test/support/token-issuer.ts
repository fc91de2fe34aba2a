import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import type { IssuerPolicy } from '../../policies/policy.ts'

/** The claims of ID-2, all required ones present; tests change one at a time. */
export const CONTRACT_CLAIMS: JWTPayload = {
  user_id: 'u-1',
  email: 'u1@example.com',
  customer_id: 'c-1',
  roles: ['developer'],
  sub: 'subject-1',
}

interface SigningKey extends GenerateKeyPairResult {
  readonly kid: string
  readonly alg: string
}

/** A JWKS endpoint with keys that can be added and dropped, counted and switched off. */
export class TokenIssuer {
  keys: SigningKey[] = []
  fetches = 0
  /** Keys are published without `alg` (RFC 7517 §4.4 makes it optional). */
  hideAlgorithms = false
  /** What the endpoint does: answers, answers this text, or refuses. */
  mode: 'good' | 'broken' | { readonly body: string; readonly status?: number; readonly location?: string } = 'good'
  #server: Server | undefined
  #port = 0

  static async open(): Promise<TokenIssuer> {
    const issuer = new TokenIssuer()
    await issuer.addKey('key-1')
    await issuer.listen()
    return issuer
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/jwks`
  }

  async addKey(kid: string, alg = 'RS256'): Promise<SigningKey> {
    const key = { kid, alg, ...(await generateKeyPair(alg, { extractable: true })) }
    this.keys.push(key)
    return key
  }

  /** Listens again on the same port after {@link close}. */
  async listen(): Promise<void> {
    const server = createServer(async (_request, response) => {
      this.fetches += 1
      if (this.mode === 'broken') return response.destroy()
      if (this.mode !== 'good') {
        const { body, status = 200, location } = this.mode
        return response.writeHead(status, location === undefined ? {} : { location }).end(body)
      }
      const keys = await Promise.all(
        this.keys.map(async ({ kid, alg, publicKey }) => ({
          ...(await exportJWK(publicKey)),
          kid,
          ...(this.hideAlgorithms ? {} : { alg }),
          use: 'sig',
        })),
      )
      return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }))
    })
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve))
    const address = server.address() as AddressInfo
    this.#port = address.port
    this.#server = server
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections()
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined))
  }

  /** How ext-authz verifies this issuer's tokens. */
  policy(overrides: Partial<IssuerPolicy> = {}): IssuerPolicy {
    return {
      name: 'test',
      issuer: 'https://issuer.test',
      jwks: this.url,
      algorithms: ['RS256'],
      claims: {
        user_id: 'user_id',
        email: 'email',
        customer_id: 'customer_id',
        roles: 'roles',
        tier: 'tier',
        scopes: 'scopes',
      },
      clockToleranceSeconds: 5,
      maxLifetimeSeconds: 86_400,
      ...overrides,
    }
  }

  /** Signs with the newest key; `undefined` removes a claim. */
  async sign(
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key = this.keys.at(-1),
  ): Promise<string> {
    if (key === undefined) throw new Error('the issuer has no key')
    const now = Math.floor(Date.now() / 1000)
    const all = { iss: 'https://issuer.test', iat: now, exp: now + 300, ...CONTRACT_CLAIMS, ...claims }
    const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
    return new SignJWT(present).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey)
  }
}

/** A token put together by hand: any header, any payload, any signature. */
export function forge(header: unknown, payload: unknown, signature = 'c2ln'): string {
  const part = (value: unknown) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(payload)}.${signature}`
}
