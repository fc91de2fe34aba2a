import { AUDITED_HEADERS } from '../../envoy/edge.ts'
import { headerText, type RawHeader } from '../request.ts'
import { capped, quoted, readable } from './text.ts'

/** Stands where a value was and must not be seen (AU-6). */
export const REDACTED = '***REDACTED***'

/** Most characters of one header or parameter. */
const MAX_VALUE = 1024
/** Most characters of all headers, and of all parameters, of one request. */
const MAX_VALUES = 8192

/** Credentials that a Check may carry: that they were there is recorded, never what they were. */
const CREDENTIALS = ['authorization', 'x-api-key', 'proxy-authorization', 'cookie'] as const

const SENSITIVE_NAME = /token|secret|passw|pwd|key|auth|cookie|session|credential|signature|jwt|otp/i

/** Whether a header's or parameter's name says that its value gives access to something. */
function isSensitive(name: string): boolean {
  return SENSITIVE_NAME.test(name)
}

/** The headers that a record shows: their places by lower-case name, and what is written at each place. */
export interface HeaderRules {
  readonly places: ReadonlyMap<string, number>
  readonly rules: readonly HeaderRule[]
}

interface HeaderRule {
  /** `"user-agent":` */
  readonly label: string
  readonly show: 'value' | 'presence' | 'address'
}

/** The allow-list of every route and what one route lists besides. */
export function headerRules(listed: readonly string[] = []): HeaderRules {
  const names = [...new Set([...AUDITED_HEADERS, ...CREDENTIALS, ...listed.map((name) => name.toLowerCase())])]
  return {
    places: new Map(names.map((name, place) => [name, place])),
    rules: names.map((name) => ({ label: `${quoted(name)}:`, show: showing(name) })),
  }
}

function showing(name: string): HeaderRule['show'] {
  if (isSensitive(name)) return 'presence'
  return name === 'referer' || name === 'origin' ? 'address' : 'value'
}

/** A record's `headers` as JSON text: listed ones only, credentials as {@link REDACTED}, values capped, repeated ones joined. */
export function headersText(headers: readonly RawHeader[], { places, rules }: HeaderRules): string {
  const values: (string | undefined)[] = []
  const room = new Room()
  for (const header of headers) {
    const place = places.get(header.key ?? '')
    if (place === undefined) continue
    values[place] = joined(values[place], shown(header, rules[place], room))
  }
  let text = ''
  for (let place = 0; place < values.length; place++) {
    const value = values[place]
    if (value !== undefined) text += `${text === '' ? '' : ','}${rules[place]?.label}${quoted(value)}`
  }
  return `{${text}}`
}

function shown(header: RawHeader, rule: HeaderRule | undefined, room: Room): string {
  if (rule === undefined || rule.show === 'presence') return REDACTED
  const value = readable(headerText(header))
  return room.for(rule.show === 'address' ? withoutSecrets(value) : value)
}

/** A URL without user, password, query and fragment: each may carry a secret of another site. */
function withoutSecrets(url: string): string {
  const end = url.search(/[?#]/)
  const plain = end === -1 ? url : url.slice(0, end)
  return plain.replace(/^((?:[a-z][a-z0-9+.-]*:)?\/\/)?[^/]*@/i, '$1')
}

/** The listed parameters of a query as JSON text, undefined where none of them is there; of others not even the name is kept. */
export function queryText(query: string, listed: ReadonlySet<string>): string | undefined {
  const found = new Map<string, string>()
  const room = new Room()
  for (const pair of query.split('&')) {
    const [name, value] = parameter(pair)
    if (listed.has(name)) found.set(name, joined(found.get(name), isSensitive(name) ? REDACTED : room.for(value)))
  }
  return found.size === 0 ? undefined : JSON.stringify(Object.fromEntries(found))
}

function parameter(pair: string): readonly [name: string, value: string] {
  const equals = pair.indexOf('=')
  return equals === -1 ? [unescaped(pair), ''] : [unescaped(pair.slice(0, equals)), unescaped(pair.slice(equals + 1))]
}

/** How much more of one request's values may be recorded; of what comes later only the length. */
class Room {
  #left = MAX_VALUES

  for(value: string): string {
    const fit = capped(value, Math.min(this.#left, MAX_VALUE))
    this.#left = Math.max(0, this.#left - fit.length)
    return fit
  }
}

/** Repeated headers and parameters in their order, as far as there is room for one name. */
function joined(before: string | undefined, value: string): string {
  if (before === undefined) return value
  return before.length >= MAX_VALUE ? before : `${before}, ${value}`
}

/** A part of a query as forms write it (WHATWG URL, `application/x-www-form-urlencoded`); as it was sent where an escape is broken. */
function unescaped(part: string): string {
  try {
    return decodeURIComponent(part.replaceAll('+', ' '))
  } catch {
    // Overlong forms and stray bytes: the text as it was sent says more than a replacement character.
    return part
  }
}
