import type { Duration } from '../../define.ts'
import { DURATION_RANGE_MS, durationMs } from '../durations.ts'
import { type Reader, shown, text, wrongType } from '../reading.ts'

/** A name in lower-case kebab: gateways, upstreams, listeners, issuers, certificates. */
export const kebab = text('lower-case letters, digits and -, at most 63: "partner"', (value) => {
  if (/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(value) && value.length <= 63) return undefined
  const better = value
    .trim()
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .toLowerCase()
  const fix = /^[a-z]/.test(better) && better.length <= 63 ? { suggestion: `write ${shown(better)}` } : {}
  return { code: 'SP2010', message: `${shown(value)} is not a name`, ...fix }
})

/** A route's name, as logs and the console show it. */
export const routeName = text('1 to 64 letters, digits, spaces and -._/, starting with a letter or digit', (value) =>
  /^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63}$/.test(value)
    ? undefined
    : { code: 'SP2010', message: `${shown(value)} is not a route name` },
)

/** A resource or an action: one half of a permission (AZ-1). */
export const permissionWord = text('lower-case letters, digits, - and _: "deployments"', (value) =>
  /^[a-z][a-z0-9_-]{0,63}$/.test(value)
    ? undefined
    : { code: 'SP2010', message: `${shown(value)} is not a word of a permission` },
)

/** `marketing:read`; a last `*` stands for every right of the area (ID-16). */
export const scope = text('area:right in lower case, such as "marketing:read" or "marketing:*"', (value) =>
  /^[a-z0-9_.-]+(?::[a-z0-9_.-]+)*:(?:[a-z0-9_.-]+|\*)$/.test(value) && value.length <= 128
    ? undefined
    : { code: 'SP2019', message: `${shown(value)} is not a scope` },
)

/** The sentence that opens a route: a reviewer must learn something from it (ID-6). */
export const openReason = text('a sentence of at least 10 characters', (value) => {
  if (value.trim().length >= 10 && value.length <= 300 && /^[^\p{Cc}]*$/u.test(value)) return undefined
  return { code: 'SP2020', message: `${shown(value)} does not say why`, suggestion: 'say who calls without a token' }
})

/** Text of an issuer table: visible ASCII, such as a claim name or the value of `iss`. */
export const plainText = text('visible ASCII, at most 500 characters', (value) =>
  /^[\x21-\x7e]{1,500}$/.test(value) ? undefined : { code: 'SP2010', message: `${shown(value)} is not plain text` },
)

const DURATION = 'a time with its unit from "1ms" to "60m", such as "250ms", "15s" or "5m"'

/** A time from 1 ms to 1 h. */
export const duration: Reader<Duration> = (value, path, report) => {
  if (typeof value === 'number') {
    const suggestion = `write ${shown(`${value}s`)} or ${shown(`${value}ms`)}`
    return report({ code: 'SP2015', path, message: `${value} has no unit`, expected: DURATION, suggestion })
  }
  if (typeof value !== 'string') return wrongType(value, DURATION, path, report)
  if (isDuration(value)) return value
  const known = durationMs(value) !== undefined
  const message = `${shown(value)} is ${known ? 'out of range' : 'not a time with its unit'}`
  return report({ code: 'SP2015', path, message, expected: DURATION })
}

function isDuration(value: string): value is Duration {
  const ms = durationMs(value)
  return ms !== undefined && ms >= DURATION_RANGE_MS.least && ms <= DURATION_RANGE_MS.most
}
