import type { Deny } from '../verdict.ts'
import { deny } from '../verdict.ts'

/** Longest token that is looked at; checked before anything decodes it (design.md §4). */
export const MAX_TOKEN_LENGTH = 8192

const BEARER = /^bearer [^\s,]+$/i
/** Exactly three base64url parts: jose alone would accept spaces and padding inside them (facts/threats.md §0.8). */
const THREE_PARTS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** The token of an `Authorization` header (RFC 6750 §2.1), or why there is none (ID-5). */
export function bearerToken(authorization: string | undefined): string | Deny {
  if (authorization === undefined) return deny('unauthorized')
  if (authorization.length > MAX_TOKEN_LENGTH) {
    return deny('invalid-token', `The token is longer than ${MAX_TOKEN_LENGTH} characters.`)
  }
  if (!BEARER.test(authorization)) return deny('invalid-token-format')
  const token = authorization.slice('bearer '.length)
  return THREE_PARTS.test(token) ? token : deny('invalid-token', 'The token is not a JWT.')
}
