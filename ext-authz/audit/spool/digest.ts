import { hash } from 'node:crypto'

/** The 32 bytes of a SHA-256 as a latin1 text: an array buffer for every record would be garbage, and texts compare by value. */
export type Digest = string

/** Bytes of a SHA-256. */
export const DIGEST_BYTES = 32

/** What stands before the first hash of a chain. */
export const NO_DIGEST: Digest = '\0'.repeat(DIGEST_BYTES)

/** The SHA-256 of some bytes. */
export function digestOf(bytes: Buffer): Digest {
  return hash('sha256', bytes, 'binary')
}

/** For people and JSON. */
export function hexOf(digest: Digest): string {
  return Buffer.from(digest, 'latin1').toString('hex')
}

/** The reverse of {@link hexOf}. */
export function digestFrom(hex: string): Digest {
  return Buffer.from(hex, 'hex').toString('latin1')
}

/** Whether a value is what {@link hexOf} makes. */
export function isDigestText(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}
