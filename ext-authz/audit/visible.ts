import { isUtf8 } from 'node:buffer'

/**
 * Text as PostgreSQL can hold it: its `text` and `jsonb` take no NUL and no lone surrogate (facts/threats.md §0.7), so those are written
 * as the six characters of their JSON escape (`\u0000`, `\ud800`). Anything else stays as it is. The exact bytes are kept beside it.
 */
export function visible(text: string): string {
  const holdable = text.isWellFormed() && !text.includes('\0')
  return holdable ? text : text.replace(UNHOLDABLE, escaped)
}

/** Deepest nesting of a JSON value that is kept as it is; what lies below is named instead. */
const MAX_DEPTH = 64
const TOO_DEEP = '(nested too deep)'

/** The same inside a JSON value: in all its strings and in the names of its members. */
export function visibleJson(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return visible(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth === MAX_DEPTH) return TOO_DEEP
  if (Array.isArray(value)) return value.map((item) => visibleJson(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [visible(name), visibleJson(member, depth + 1)]),
  )
}

/**
 * Text of JSON bytes. Bytes that are no UTF-8 come out as the four characters `\xff` once the JSON is parsed, so that one bad byte
 * costs its place only and never the line.
 */
export function jsonText(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes.toString('latin1').replace(/[\x80-\xff]/g, hex)
}

/** Whether parsed JSON text can hold anything that {@link visible} changes: both kinds can only come out of an escape. */
export const mayNeedEscaping = (json: string): boolean => json.includes('\\u')

/** In `\\xff` the first backslash is JSON's escape of the second. */
const hex = (byte: string) => `\\\\x${byte.charCodeAt(0).toString(16)}`

const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

// With the u flag a surrogate matches only where it stands alone.
// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what is meant
const UNHOLDABLE = /[\u0000\ud800-\udfff]/gu
