import { POLICY_KEY } from '../policies/policy.ts'
import type { ReceivedBody } from './audit/audited-body.ts'
import { capped } from './audit/text.ts'
import { because, type Deny, deny, type Facts } from './verdict.ts'

/** What one Check asks, read once (design.md §3, "read"). */
export interface Request {
  readonly method: string
  /** Without the query, as Envoy normalised and matched it. */
  readonly path: string
  /** What follows the `?`, as it was sent; undefined where there is none. */
  readonly query: string | undefined
  readonly host: string
  readonly authorization: string | undefined
  /** From `x-envoy-external-address`, which Envoy sets from the number of trusted hops; a Check's own source is only the TCP peer. */
  readonly clientAddress: string | undefined
  /** Envoy's `x-request-id`; the client's own was removed early. */
  readonly requestId: string
  readonly correlationId: string
  /** The client's own request id, where it sent one (RT-8). */
  readonly causationId: string | undefined
  /** When Envoy got the request, epoch µs; the same in a retried Check. Undefined where the Check does not say. */
  readonly at: number | undefined
  /** Every header of the Check, credentials included; only {@link headersText} may show them. */
  readonly headers: readonly RawHeader[]
  /** Only where the route has its body recorded. */
  readonly body: ReceivedBody | undefined
  /** The route's complete policy, as text. */
  readonly policyText: string | undefined
  /** Why the request is refused before anything else looks at it. */
  readonly fault: Deny | undefined
}

/** The few parts of a CheckRequest that are read; the generated type is wider. */
export interface CheckParts {
  readonly attributes?: {
    readonly request?: {
      readonly time?: { readonly seconds?: number | string | Long; readonly nanos?: number } | null
      readonly http?: HttpParts | null
    } | null
    readonly context_extensions?: Readonly<Record<string, string>>
  } | null
}

/** The parts of the HTTP request itself. */
interface HttpParts {
  readonly method?: string
  readonly path?: string
  readonly host?: string
  readonly header_map?: { readonly headers?: readonly RawHeader[] } | null
  /** Bytes of the body so far; -1 where Envoy does not know. */
  readonly size?: number | string | Long
  readonly body?: string
  readonly raw_body?: Uint8Array | Buffer | string
}

/** How protobufjs may give a 64-bit number; ours come as text. */
interface Long {
  toString(): string
}

/** A header as Envoy sent it: one of the two values, never both. */
export interface RawHeader {
  readonly key?: string
  readonly value?: string
  readonly raw_value?: Uint8Array | Buffer | string
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/
const MAX_HOST = 255
/** Segments of RFC 3986 pchar without `;`, which upstreams cut paths at in different ways (facts/threats.md 1a). */
const PLAIN_PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@/]*$/
/** Escapes of control characters, space, `#`, `%` (a second escape), `/`, `;`, `?` and backslash. */
const UNSAFE_ESCAPE = /%(?:[01][0-9a-f]|2[035f]|3[bf]|5c|7f)/i
const ESCAPED_PATH = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,=:@/]|%[0-9A-Fa-f]{2})*$/

/** What is read of the headers. Each may come once: of two, this service and the upstream could each believe another. */
interface Fields {
  authorization: string | undefined
  contentType: string | undefined
  host: string | undefined
  authority: string | undefined
  requestId: string | undefined
  correlationId: string | undefined
  clientAddress: string | undefined
}

/** Set by Envoy where it sends a body: whether it is only the beginning of one. */
const PARTIAL_BODY = 'x-envoy-auth-partial-body'
const CAUSATION_ID = 'x-causation-id'

const FIELDS: ReadonlyMap<string, keyof Fields> = new Map([
  ['authorization', 'authorization'],
  ['content-type', 'contentType'],
  ['host', 'host'],
  [':authority', 'authority'],
  ['x-request-id', 'requestId'],
  ['x-correlation-id', 'correlationId'],
  ['x-envoy-external-address', 'clientAddress'],
])

/** Reads a Check. A `fault` is what Envoy lets through and two parsers could understand in two ways (facts/envoy.md §14). */
export function readRequest(check: CheckParts): Request {
  const request = check.attributes?.request
  const http = request?.http ?? NO_HTTP
  const headers = http.header_map?.headers ?? []
  const fields: Fields = { ...NO_FIELDS }
  const repeated = readHeaders(headers, fields)
  const { method = '', path: target = '', host = '' } = http
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  return {
    method,
    path,
    query: mark === -1 ? undefined : target.slice(mark + 1),
    host,
    authorization: fields.authorization,
    clientAddress: fields.clientAddress,
    requestId: fields.requestId ?? '',
    correlationId: fields.correlationId ?? '',
    causationId: firstOf(headers, CAUSATION_ID),
    at: microseconds(request?.time),
    headers,
    body: bodyOf(http, headers),
    policyText: check.attributes?.context_extensions?.[POLICY_KEY],
    fault: repeated === undefined ? faultOf(method, path, host) : twice(repeated),
  }
}

const NO_HTTP: HttpParts = {}

const NO_FIELDS: Readonly<Fields> = {
  authorization: undefined,
  contentType: undefined,
  host: undefined,
  authority: undefined,
  requestId: undefined,
  correlationId: undefined,
  clientAddress: undefined,
}

/** Fills `fields`; returns the name of a header that came twice. */
function readHeaders(headers: readonly RawHeader[], fields: Fields): string | undefined {
  let repeated: string | undefined
  for (const header of headers) {
    const field = FIELDS.get(header.key ?? '')
    if (field === undefined) continue
    if (fields[field] !== undefined) repeated = header.key
    fields[field] = headerText(header)
  }
  return repeated ?? (isList(fields.contentType) ? 'content-type' : undefined)
}

/** `encode_raw_headers` fills `raw_value`; latin1 keeps every byte apart, so a non-ASCII byte fails the strict shapes later. */
export function headerText({ raw_value: raw, value }: RawHeader): string {
  if (raw === undefined || raw.length === 0) return value ?? ''
  return typeof raw === 'string' ? raw : bufferOf(raw).toString('latin1')
}

/** A header that decides nothing may come twice: the first that says something. */
function firstOf(headers: readonly RawHeader[], name: string): string | undefined {
  for (const header of headers) {
    if (header.key !== name) continue
    const text = headerText(header)
    if (text !== '') return text
  }
  return undefined
}

/** The Timestamp of a Check as whole epoch µs, rounded as `%START_TIME%` is: down. */
function microseconds(time: { seconds?: unknown; nanos?: number } | null | undefined): number | undefined {
  if (time === undefined || time === null) return undefined
  const at = Number(time.seconds ?? 0) * 1_000_000 + Math.floor((time.nanos ?? 0) / 1000)
  return Number.isSafeInteger(at) ? at : undefined
}

function bodyOf(http: HttpParts, headers: readonly RawHeader[]): ReceivedBody | undefined {
  const { body = '', raw_body: raw = '' } = http
  const sent = raw.length > 0 ? raw : body
  if (sent.length === 0) return undefined
  const bytes = typeof sent === 'string' ? Buffer.from(sent) : bufferOf(sent)
  return { bytes, size: Number(http.size ?? -1), partial: firstOf(headers, PARTIAL_BODY) === 'true' }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Envoy joins two Content-Type headers with a comma before it asks; outside quotes a media type has none (RFC 9110 §8.3). */
function isList(contentType: string | undefined): boolean {
  return contentType?.includes(',') === true && contentType.replace(/"(?:[^"\\]|\\.)*"/g, '').includes(',')
}

function twice(header: string): Deny {
  const name = header === ':authority' ? 'host' : header
  return refused(`The header ${name} was sent more than once.`, { header: name }, `send ${name} once`)
}

/** Longest text of a request among the facts of a refusal. */
const MAX_FACT = 200

function refused(detail: string, facts: Facts, remedy: string): Deny {
  return because(deny('bad-request', detail), facts, remedy)
}

function faultOf(method: string, path: string, host: string): Deny | undefined {
  if (!METHODS.has(method)) {
    const facts = { method: capped(method, MAX_FACT), accepted: [...METHODS] }
    return because(deny('method-not-allowed'), facts, `use one of ${facts.accepted.join(', ')}`)
  }
  if (host.length > MAX_HOST || !HOST.test(host)) {
    const facts = { host: capped(host, MAX_FACT), characters: host.length }
    return refused('The Host header is not a host name.', facts, 'send a host name or an address, and a port at most')
  }
  return PLAIN_PATH.test(path) ? undefined : pathFault(path)
}

function pathFault(path: string): Deny | undefined {
  if (!ESCAPED_PATH.test(path)) {
    const facts = { character: firstOther(path) }
    return refused('The path has a character that is not allowed here.', facts, 'escape or leave out the character')
  }
  const unsafe = UNSAFE_ESCAPE.exec(path)
  if (unsafe !== null) {
    const remedy = 'leave the escape out: upstreams decode it in different ways'
    return refused('The path has an escape that is not allowed here.', { escape: unsafe[0] }, remedy)
  }
  try {
    decodeURIComponent(path)
    return undefined
  } catch {
    // Overlong forms and stray bytes, which upstreams decode in different ways.
    return refused('The path has an escape that is not UTF-8.', {}, 'escape the UTF-8 form of the text')
  }
}

const PLAIN_CHARACTERS = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,=:@/]|%[0-9A-Fa-f]{2})*/

/** The first character that a path may not have; where the path does not begin with `/`, its first. */
function firstOther(path: string): string {
  const plain = PLAIN_CHARACTERS.exec(path)?.[0] ?? ''
  return path.slice(plain.length, plain.length + 1)
}
