import { isUtf8 } from 'node:buffer'

/** A text as a JSON string; lone surrogates come out as escapes, so the result is valid UTF-8 whatever came in. */
export const quoted = (text: string): string => JSON.stringify(text)

/** A text of at most `max` characters; what was cut off is told: `abc… (2000 characters)`. */
export function capped(text: string, max: number): string {
  if (text.length <= max) return text
  return `${text.slice(0, max).toWellFormed()}… (${text.length} characters)`
}

const NOT_ASCII = /[\u0080-\u00ff]/

/**
 * What the bytes of a header say, from their one-character-a-byte form: UTF-8 where they are UTF-8, else every byte that is not
 * ASCII shown as `\xff`, so that nothing of what arrived is replaced.
 */
export function readable(latin1: string): string {
  return NOT_ASCII.test(latin1) ? decoded(latin1) : latin1
}

function decoded(latin1: string): string {
  const bytes = Buffer.from(latin1, 'latin1')
  if (isUtf8(bytes)) return bytes.toString('utf8')
  return latin1.replace(/[\u0080-\u00ff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`)
}

/** Farthest point in time that a date can hold, ms from 1970. */
const LAST_INSTANT = 8.64e15

/** A point in time as RFC 3339 text; a claim may name one that no calendar has, which is told as its milliseconds. */
export function instantText(epochMs: number): string {
  return Math.abs(epochMs) <= LAST_INSTANT ? new Date(epochMs).toISOString() : `${epochMs} ms`
}
