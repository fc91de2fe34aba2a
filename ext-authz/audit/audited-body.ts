import { hash } from 'node:crypto'
import type { AuditPolicy } from '../../policies/policy.ts'
import type { AuditedBody } from './decision.ts'
import { REDACTED } from './redaction.ts'

/** Deepest nesting of a body that is masked; deeper ones are recorded by size and hash only. */
const MAX_DEPTH = 32

/** Members whose values are masked on every route, by their name without case, `_` and `-`. */
const SENSITIVE_MEMBER =
  /passw|passphrase|^pass$|pwd|secret|credential|authorization|^auth$|bearer|token(?!s$)|(api|private|access|encryption|signing|ssh|master|shared|session)key|^key$|cookie|session|cardnumber|creditcard|cvv|cvc|iban|ssn$|otp$|^pin$|signature|jwt/

/** A count, as `max_tokens` is, hides nothing; a list of tokens would. */
const PLURAL_TOKENS = /tokens$/

/** Members of a list of names and values. */
const NAME_OF_PAIR = /^(?:name|key|field|header|id)$/i
const VALUE_OF_PAIR = /^values?$/i

/** A body as Envoy sent it. */
export interface ReceivedBody {
  readonly bytes: Buffer
  /** Bytes of the whole body as far as Envoy knows it. */
  readonly size: number
  /** True where Envoy cut it. */
  readonly partial: boolean
}

/** How much of a body is recorded, and which members are masked besides those of every route. */
export interface BodyRule {
  readonly maxBytes: number
  readonly names: ReadonlySet<string>
}

/** The rule of a route that has its body recorded. */
export function bodyRule({ maxBytes, mask }: NonNullable<AuditPolicy['body']>): BodyRule {
  return { maxBytes, names: new Set(mask.map(plain)) }
}

/** What is recorded of a body (AU-6): JSON with masked members, or size and hash where it is cut, not JSON, or too deep to mask. */
export function auditedBody(received: ReceivedBody, rule: BodyRule): AuditedBody {
  const { bytes } = received
  const size = Math.max(received.size, bytes.length)
  const truncated = received.partial || size > bytes.length
  const whole = !truncated && bytes.length <= rule.maxBytes
  const json = whole ? masked(bytes, rule.names) : undefined
  const facts = { bytes: size, truncated, sha256: hash('sha256', bytes, 'hex') }
  return json === undefined ? facts : { ...facts, json }
}

/** The body's JSON with masked members; undefined where it is not an object or a list, for a bare value has no name to judge it by. */
function masked(bytes: Buffer, names: ReadonlySet<string>): unknown {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    // Not JSON: what it may hold cannot be found, so nothing of it is kept.
    return undefined
  }
  if (typeof value !== 'object' || value === null || !shallow(value, MAX_DEPTH)) return undefined
  return withMasks(value, names)
}

function shallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every((member) => shallow(member, depth - 1))
}

function withMasks(value: unknown, names: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) return value.map((item) => withMasks(item, names))
  if (typeof value !== 'object' || value === null) return value
  const naming = namesSecret(value, names)
  const members = Object.entries(value).map(([name, member]) => [
    name,
    isMasked(name, member, names) || (naming && VALUE_OF_PAIR.test(name)) ? REDACTED : withMasks(member, names),
  ])
  return Object.fromEntries(members)
}

/** `{ "name": "password", "value": "…" }`: the name stands in a value. */
function namesSecret(value: object, names: ReadonlySet<string>): boolean {
  return Object.entries(value).some(
    ([name, member]) => NAME_OF_PAIR.test(name) && typeof member === 'string' && isMasked(member, '', names),
  )
}

function isMasked(name: string, value: unknown, names: ReadonlySet<string>): boolean {
  const word = plain(name)
  if (names.has(word) || SENSITIVE_MEMBER.test(word)) return true
  return PLURAL_TOKENS.test(word) && typeof value !== 'number'
}

/** `API-Key`, `api_key` and `apiKey` are one name. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[-_ .]/g, '')
}
