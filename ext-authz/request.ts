import { POLICY_KEY } from '../policies/policy.ts'
import { type Deny, deny } from './verdict.ts'

/** What one Check asks, read once (design.md §3, "read"). */
export interface Request {
  readonly method: string
  /** Without the query, as Envoy normalised and matched it. */
  readonly path: string
  readonly authorization: string | undefined
  /** From `x-envoy-external-address`, which Envoy sets from the number of trusted hops; a Check's own source is only the TCP peer. */
  readonly clientAddress: string | undefined
  /** Envoy's `x-request-id`; the client's own was removed early. */
  readonly requestId: string
  readonly correlationId: string
  /** The route's complete policy, as text. */
  readonly policyText: string | undefined
  /** Why the request is refused before anything else looks at it. */
  readonly fault: Deny | undefined
}

/** The few parts of a CheckRequest that are read; the generated type is wider. */
export interface CheckParts {
  readonly attributes?: {
    readonly request?: {
      readonly http?: {
        readonly method?: string
        readonly path?: string
        readonly host?: string
        readonly header_map?: { readonly headers?: readonly RawHeader[] } | null
      } | null
    } | null
    readonly context_extensions?: Readonly<Record<string, string>>
  } | null
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
  const http = check.attributes?.request?.http
  const fields: Fields = { ...NO_FIELDS }
  const repeated = readHeaders(http?.header_map?.headers ?? [], fields)
  const method = http?.method ?? ''
  const path = withoutQuery(http?.path ?? '')
  const doubled = repeated ?? (isList(fields.contentType) ? 'content-type' : undefined)
  return {
    method,
    path,
    authorization: fields.authorization,
    clientAddress: fields.clientAddress,
    requestId: fields.requestId ?? '',
    correlationId: fields.correlationId ?? '',
    policyText: check.attributes?.context_extensions?.[POLICY_KEY],
    fault: doubled === undefined ? faultOf(method, path, http?.host ?? '') : twice(doubled),
  }
}

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
  for (const { key = '', value, raw_value } of headers) {
    const field = FIELDS.get(key)
    if (field === undefined) continue
    if (fields[field] !== undefined) repeated = key
    fields[field] = textOf(raw_value, value)
  }
  return repeated
}

/** `encode_raw_headers` fills `raw_value`; latin1 keeps every byte apart, so a non-ASCII byte fails the strict shapes later. */
function textOf(raw: RawHeader['raw_value'], value: string | undefined): string {
  if (raw === undefined || raw.length === 0) return value ?? ''
  return typeof raw === 'string' ? raw : Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('latin1')
}

/** Envoy joins two Content-Type headers with a comma before it asks; outside quotes a media type has none (RFC 9110 §8.3). */
function isList(contentType: string | undefined): boolean {
  return contentType?.includes(',') === true && contentType.replace(/"(?:[^"\\]|\\.)*"/g, '').includes(',')
}

function twice(header: string): Deny {
  return deny('bad-request', `The header ${header === ':authority' ? 'host' : header} was sent more than once.`)
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?')
  return query === -1 ? path : path.slice(0, query)
}

function faultOf(method: string, path: string, host: string): Deny | undefined {
  if (!METHODS.has(method)) return deny('method-not-allowed')
  if (host.length > MAX_HOST || !HOST.test(host)) return deny('bad-request', 'The Host header is not a host name.')
  return PLAIN_PATH.test(path) ? undefined : pathFault(path)
}

function pathFault(path: string): Deny | undefined {
  if (!ESCAPED_PATH.test(path)) return deny('bad-request', 'The path has a character that is not allowed here.')
  if (UNSAFE_ESCAPE.test(path)) return deny('bad-request', 'The path has an escape that is not allowed here.')
  try {
    decodeURIComponent(path)
    return undefined
  } catch {
    // Overlong forms and stray bytes, which upstreams decode in different ways.
    return deny('bad-request', 'The path has an escape that is not UTF-8.')
  }
}
