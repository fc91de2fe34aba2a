import { readFile } from 'node:fs/promises'
import { exportJWK, importSPKI, type JSONWebKeySet, type JWK } from 'jose'
import type { IssuerPolicy } from '../../policies/policy.ts'

const TIMEOUT_MS = 3000
const MAX_BYTES = 1 << 20
/** More than any issuer publishes; over it nobody could say whose keys were left out. */
const MAX_KEYS = 128
const MAX_KID = 256
/** RSA below 2048 bits: base64url length of the modulus (RFC 7518 §3.3). */
const MIN_MODULUS_CHARACTERS = 342

/** An issuer's keys could not be had: unreachable, too large, not a key set, or no usable key in it. */
export class KeySourceError extends Error {}

/** Fetches an issuer's key set from its URL or file (ID-4) and keeps only keys that may sign its tokens. Throws {@link KeySourceError}. */
export async function fetchKeys(issuer: IssuerPolicy): Promise<JSONWebKeySet> {
  const url = new URL(issuer.jwks)
  const text = await (url.protocol === 'file:' ? readFile(url, 'utf8') : download(url)).catch((cause: unknown) => {
    throw new KeySourceError(`issuer ${issuer.name}: keys at ${issuer.jwks} could not be read`, { cause })
  })
  return usableKeys(issuer, text.startsWith('-----BEGIN') ? await fromPem(issuer, text) : parse(issuer, text))
}

async function download(url: URL): Promise<string> {
  // A redirect could lead anywhere, a metadata address included (facts/threats.md 1d).
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (!response.ok || response.body === null) throw new KeySourceError(`the answer was ${response.status}`)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body) {
    size += chunk.byteLength
    if (size > MAX_BYTES) throw new KeySourceError(`the answer is larger than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function fromPem(issuer: IssuerPolicy, pem: string): Promise<JWK[]> {
  const algorithm = issuer.algorithms[0]
  if (algorithm === undefined) throw new KeySourceError(`issuer ${issuer.name} lists no algorithm`)
  return [await exportJWK(await importSPKI(pem, algorithm, { extractable: true }))]
}

function parse(issuer: IssuerPolicy, text: string): JWK[] {
  const set: unknown = JSON.parse(text)
  if (typeof set !== 'object' || set === null || !('keys' in set) || !Array.isArray(set.keys)) {
    throw new KeySourceError(`issuer ${issuer.name}: the answer is not a JWKS (RFC 7517 §5)`)
  }
  return set.keys.filter((key: unknown): key is JWK => typeof key === 'object' && key !== null && 'kty' in key)
}

function usableKeys(issuer: IssuerPolicy, keys: JWK[]): JSONWebKeySet {
  const usable = keys.filter((key) => maySign(key, issuer))
  if (usable.length > MAX_KEYS) {
    throw new KeySourceError(
      `issuer ${issuer.name}: ${usable.length} keys at ${issuer.jwks}, at most ${MAX_KEYS} are taken`,
    )
  }
  // An empty set never replaces a good one: it would turn a faulty issuer into a refusal of everybody.
  if (usable.length === 0) throw new KeySourceError(`issuer ${issuer.name}: the key set has no usable key`)
  return { keys: usable.map(publicPart) }
}

function maySign(key: JWK, issuer: IssuerPolicy): boolean {
  if (key.use !== undefined && key.use !== 'sig') return false
  if (key.kid !== undefined && (typeof key.kid !== 'string' || key.kid.length > MAX_KID)) return false
  if (key.alg !== undefined && !issuer.algorithms.some((algorithm) => algorithm === key.alg)) return false
  switch (key.kty) {
    case 'RSA':
      return typeof key.n === 'string' && key.n.length >= MIN_MODULUS_CHARACTERS
    case 'EC':
      return key.crv === 'P-256'
    case 'OKP':
      return key.crv === 'Ed25519'
    default:
      return false
  }
}

/** Only the public members: a key set that leaks private ones does not end up in our memory or on our disk. */
function publicPart({ kty, kid, alg, use, n, e, crv, x, y }: JWK): JWK {
  const members = { kty, kid, alg, use, n, e, crv, x, y }
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}
