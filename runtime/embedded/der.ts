/**
 * The few DER encodings (X.690) that a certificate is made of; each returns tag, length and content. Input is trusted: this writes
 * certificates for development, it reads nothing.
 */

/** Any value under a tag. */
export function tagged(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body])
}

export const sequence = (...entries: readonly Uint8Array[]) => tagged(0x30, ...entries)

export const set = (...entries: readonly Uint8Array[]) => tagged(0x31, ...entries)

export const octets = (content: Uint8Array) => tagged(0x04, content)

/** All bits used: no unused-bits count but 0. */
export const bits = (content: Uint8Array) => tagged(0x03, Buffer.from([0]), content)

export const utf8 = (text: string) => tagged(0x0c, Buffer.from(text))

export const TRUE = tagged(0x01, Buffer.from([0xff]))

/** A non-negative integer from its big-endian bytes. */
export function unsigned(bytes: Uint8Array): Buffer {
  const from = bytes.findIndex((byte) => byte !== 0)
  const shortest = from === -1 ? Buffer.from([0]) : bytes.subarray(from)
  const sign = (shortest[0] ?? 0) >= 0x80 ? [0] : []
  return tagged(0x02, Buffer.from(sign), shortest)
}

/** An object identifier from its dotted form. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** UTCTime up to 2049, GeneralizedTime after (RFC 5280 §4.1.2.5). */
export function time(at: Date): Buffer {
  const digits = at.toISOString().replace(/[-:T]|\.\d+/g, '')
  return at.getUTCFullYear() < 2050 ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits))
}

function base128(value: number): number[] {
  const groups = [value & 0x7f]
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) groups.unshift((rest & 0x7f) | 0x80)
  return groups
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff)
  return Buffer.from([0x80 | bytes.length, ...bytes])
}
