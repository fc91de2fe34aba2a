import type { IncomingMessage, ServerResponse } from 'node:http'
import { importJWK, SignJWT } from 'jose'
import { z } from 'zod'
import { claimsOf, ISSUER_PATHS, isIssuer } from './claims.ts'
import type { SigningKeys } from './keys.ts'
import { isUser, USERS } from './users.ts'

/** Longest life of a token asked for by hand, seconds: one day, what ext-authz accepts at most. */
const MAX_LIFE_S = 86_400
const MAX_BODY_BYTES = 65_536

/** What a caller may ask of `POST /dev/token`. */
const TokenRequest = z.strictObject({
  as: z.string(),
  issuer: z.string().default('waooaw'),
  /** Laid over the user's claims; `null` takes one away. */
  claims: z.record(z.string(), z.unknown()).default({}),
  /** Seconds from now; negative: already expired. */
  expiresIn: z.int().min(-MAX_LIFE_S).max(MAX_LIFE_S).default(3_600),
})

/** Answer of the `/dev/` endpoints. */
interface Answer {
  readonly status: number
  readonly body: unknown
}

/** What the `/dev/` endpoints work on. */
export interface Development {
  /** Base URL of the issuer. */
  readonly url: string
  readonly keys: SigningKeys
  /** Called after the set of keys changed. */
  onKeys(): void
}

/**
 * Answers `POST /dev/token` (a signed token for a ready-made user) and `POST /dev/rotate` (a new signing key; `?drop=old` instead
 * stops publishing the old ones). Refuses what a web page could have sent: any `Origin`, any `Host` but loopback.
 */
export async function answerDevelopment(development: Development, request: IncomingMessage, response: ServerResponse) {
  const answer = await answerTo(development, request)
  response.writeHead(answer.status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(`${JSON.stringify(answer.body)}\n`)
}

async function answerTo(development: Development, request: IncomingMessage): Promise<Answer> {
  if (!isLocal(request))
    return refusal(403, 'only programs on this machine may ask; send no Origin and a loopback Host')
  if (request.method !== 'POST') return refusal(405, 'POST only')
  const url = new URL(request.url ?? '/', development.url)
  if (url.pathname === '/dev/token') return token(development, await bodyOf(request))
  if (url.pathname === '/dev/rotate') return rotate(development, url.searchParams)
  return refusal(404, 'POST /dev/token or /dev/rotate')
}

function isLocal(request: IncomingMessage): boolean {
  const host = request.headers.host?.replace(/:\d+$/, '')
  return request.headers.origin === undefined && ['127.0.0.1', 'localhost', '[::1]'].includes(host ?? '')
}

async function rotate(development: Development, parameters: URLSearchParams): Promise<Answer> {
  const drop = parameters.get('drop')
  if (drop !== null && drop !== 'old') return refusal(400, `drop must be "old", got ${JSON.stringify(drop)}`)
  if (drop === 'old') await development.keys.dropOld()
  else await development.keys.rotate()
  development.onKeys()
  return {
    status: 200,
    body: { current: development.keys.current().kid, published: development.keys.all().map((k) => k.kid) },
  }
}

async function token(development: Development, body: string): Promise<Answer> {
  const wanted = TokenRequest.safeParse(jsonOf(body))
  if (!wanted.success) return refusal(400, z.prettifyError(wanted.error))
  const { as, issuer, claims, expiresIn } = wanted.data
  if (!isUser(as)) return refusal(400, `there is no user "${as}"; there are ${Object.keys(USERS).join(', ')}`)
  if (!isIssuer(issuer))
    return refusal(400, `there is no issuer "${issuer}"; there are ${Object.keys(ISSUER_PATHS).join(', ')}`)
  const now = Date.now()
  const seconds = Math.floor(now / 1000)
  const iss = `${development.url}${ISSUER_PATHS[issuer]}`
  const times = { iat: Math.min(seconds, seconds + expiresIn - 1), exp: seconds + expiresIn }
  const all = { iss, jti: crypto.randomUUID(), ...times, ...claimsOf(issuer, as, now), ...claims }
  const kept = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null))
  const key = development.keys.current()
  const signed = new SignJWT(kept).setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: key.kid })
  return { status: 200, body: { token: await signed.sign(await importJWK(key)), expires_at: kept['exp'], issuer: iss } }
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) {
    body += chunk
    if (body.length > MAX_BODY_BYTES) throw new Error(`the body is over ${MAX_BODY_BYTES} bytes`)
  }
  return body
}

function refusal(status: number, error: string): Answer {
  return { status, body: { error } }
}
