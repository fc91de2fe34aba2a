import { hash } from 'node:crypto'
import type { AuditPolicy } from '../../policies/policy.ts'
import type { AuditedBody } from './decision.ts'
import { REDACTED } from './redaction.ts'

/** Deepest nesting of a body that is masked; deeper ones are recorded by size and hash only. */
const MAX_DEPTH = 32

/** Members whose values are masked on every route, by their name without case, `_`, `-` and `.`. */
const SENSITIVE_MEMBER =
  /passw|passphrase|passcode|^pass$|pwd|secret|credential|authorization|^auth$|bearer|token(?!s$)|key$|cookie|session|connectionstring|codeverifier|cardnumber|creditcard|cvv|cvc|iban|ssn$|otp$|^pin$|pincode|signature|jwt|^k$/

/** Keys that open nothing. */
const HARMLESS_KEY = /(public|primary|foreign|sort|partition)key$/

/** A count, as `max_tokens` is, hides nothing; a list of tokens would. */
const PLURAL_TOKENS = /tokens$/

/** Members that hold the value of a pair whose name stands in another one: `{ "name": "DB_PASSWORD", "value": … }`. */
const VALUE_OF_PAIR = /value$|^values$|^val$|^data$/
/** Longest text that is taken for such a name. */
const MAX_NAME = 64

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
  const own = Object.entries(value)
  const pair = own.some(([name]) => VALUE_OF_PAIR.test(plain(name)))
  const said = pair ? own.flatMap(([, member]) => nameIn(member)) : []
  const masked = (name: string, member: unknown) => {
    const word = plain(name)
    // The name of a pair is no secret.
    if (pair && word === 'key') return false
    return isMasked(word, member, names) || (VALUE_OF_PAIR.test(word) && said.some((of) => isMasked(of, member, names)))
  }
  return Object.fromEntries(
    own.map(([name, member]) => [name, masked(name, member) ? REDACTED : withMasks(member, names)]),
  )
}

/** The name that a member's text may be; of a path, such as `/user/password` of JSON Patch (RFC 6902), the last step. */
function nameIn(member: unknown): string[] {
  if (typeof member !== 'string' || member.length > MAX_NAME || /\s/.test(member)) return []
  return [plain(member.slice(member.lastIndexOf('/') + 1))]
}

function isMasked(word: string, value: unknown, names: ReadonlySet<string>): boolean {
  if (names.has(word) || (SENSITIVE_MEMBER.test(word) && !HARMLESS_KEY.test(word))) return true
  return PLURAL_TOKENS.test(word) && typeof value !== 'number'
}

/** `API-Key`, `api_key` and `apiKey` are one name. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[-_ .]/g, '')
}
