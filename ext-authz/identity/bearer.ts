import { because, type Deny, deny } from '../verdict.ts'

/** Longest token that is looked at; checked before anything decodes it (design.md §4). */
export const MAX_TOKEN_LENGTH = 8192

const BEARER = /^bearer [^\s,]+$/i
/** Exactly three base64url parts: jose alone would accept spaces and padding inside them (facts/threats.md §0.8). */
const THREE_PARTS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** The token of an `Authorization` header (RFC 6750 §2.1), or why there is none (ID-5). */
export function bearerToken(authorization: string | undefined): string | Deny {
  if (authorization === undefined) {
    return because(deny('unauthorized'), { authorization: 'absent' }, 'send Authorization: Bearer <token>')
  }
  const facts = { characters: authorization.length }
  if (authorization.length > MAX_TOKEN_LENGTH) {
    const refusal = deny('invalid-token', `The token is longer than ${MAX_TOKEN_LENGTH} characters.`)
    return because(refusal, { ...facts, at_most: MAX_TOKEN_LENGTH }, 'get a token with fewer or shorter claims')
  }
  if (!BEARER.test(authorization)) {
    return because(
      deny('invalid-token-format'),
      facts,
      'send Authorization: Bearer <token>, the scheme, one space, the token',
    )
  }
  const token = authorization.slice('bearer '.length)
  if (THREE_PARTS.test(token)) return token
  const refusal = deny('invalid-token', 'The token is not a JWT.')
  return because(refusal, facts, 'send a compact JWT: three base64url parts with dots between')
}
