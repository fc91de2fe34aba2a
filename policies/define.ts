import type { IssuerName } from './issuers.ts'
import type { ListenerName } from './listeners.ts'

/** What kind of gateway it is; decides defaults only: `PP` has RBAC on (AZ-3). */
export type GatewayType = (typeof GATEWAY_TYPES)[number]

/** Every gateway type of RT-1. */
export const GATEWAY_TYPES = [
  'central',
  'CP',
  'PP',
  'platform',
  'marketing',
  'education',
  'sales',
  'agents',
  'project',
  'trust-broker',
  'omnify',
] as const

/** A length of time with its unit: `'15s'`, `'250ms'`, `'5m'`. */
export type Duration = `${number}ms` | `${number}s` | `${number}m`

/** HTTP methods a route may name. GET also serves HEAD; OPTIONS and TRACE are the edge's own (RT-4). */
export type Method = (typeof METHODS)[number]

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', '*'] as const

/** Who may call: nobody unknown (`jwt`), or everybody, with the reason said aloud (`open`). */
export type IdentityRule = OpenIdentity | JwtIdentity

export interface OpenIdentity {
  readonly kind: 'open'
  readonly reason: string
}

export interface JwtIdentity {
  readonly kind: 'jwt'
  readonly issuers: readonly IssuerName[]
}

/** A backend. Its name in `upstreams` is what targets refer to. */
export interface Upstream {
  /** `host:port`; an IP literal becomes an EDS cluster, a name a DNS cluster. */
  readonly address: string
  readonly tls: boolean
  readonly http2?: boolean
  /** Default `'2s'`. */
  readonly connectTimeout?: Duration
  /** True: `Authorization`, cookies and API keys reach it. Default false; never allowed for a trial target. */
  readonly forwardCredentials?: boolean
}

/** One upstream for everybody, or one for paying and one for trial users (AZ-4). */
export type Target<U extends string> = U | { readonly paid: U; readonly trial: U }

/** Cross-origin access, answered at the edge (RT-4). */
export interface Cors {
  /** Exact origins, `https://app.example.com`; never a pattern. */
  readonly origins: readonly string[]
  /** Default: the methods that the gateway's routes have. */
  readonly methods?: readonly Exclude<Method, '*'>[]
  /** Request headers a page may send. Default `authorization, content-type, x-correlation-id`. */
  readonly headers?: readonly string[]
  readonly exposeHeaders?: readonly string[]
  /** Default false. */
  readonly credentials?: boolean
  /** How long a browser may reuse a preflight. Default `'10m'`. */
  readonly maxAge?: Duration
}

/** When Envoy sends a request again. Default: once, and only when the upstream cannot have seen it. */
export interface Retries {
  /** 0 to 5. */
  readonly attempts: number
  readonly on: readonly RetryCondition[]
  readonly perTryTimeout?: Duration
}

export type RetryCondition = (typeof RETRY_CONDITIONS)[number]

/** Envoy's `retry_on` values that a definition may use. */
export const RETRY_CONDITIONS = [
  'connect-failure',
  'refused-stream',
  'reset-before-request',
  'reset',
  'gateway-error',
  '5xx',
] as const

/** Headers set on the way; names of the gateway's own headers and Envoy's `%` operators are load errors. */
export interface HeaderRules {
  readonly request?: Readonly<Record<string, string>>
  readonly response?: Readonly<Record<string, string>>
}

/** What of a request is recorded besides what always is (AU-6). A field that a route says goes before its gateway's. */
export interface Audit {
  /**
   * When the decision cannot be written: `deny` answers 503, `degrade` goes on, counted. Default: `deny` for methods that change
   * something and for routes of every method, `degrade` for GET (AZ-7).
   */
  readonly onFailure?: 'deny' | 'degrade'
  /** Query parameters to record, by exact name; no others leave a trace. `[]` for none. */
  readonly query?: readonly string[]
  /** Headers to record, in lower case, besides those of every request; never credentials. `[]` for none. */
  readonly headers?: readonly string[]
  /** A JSON body to record. Default `false`: none. */
  readonly body?: AuditedBody | false
}

/** How much of a body is recorded. The decision waits until that much of it, or all of it, has arrived. */
export interface AuditedBody {
  /** 1 to 65,536; of a longer body only the hash of so much is recorded, and all of it goes on to the upstream as it is. */
  readonly maxBytes: number
  /** JSON members, at any depth and in any case, whose values are not recorded; passwords, tokens and keys never are. */
  readonly mask?: readonly string[]
}

/** What a route may say beyond its method and path; each overrides the gateway's own value. */
export interface RouteOptions<U extends string = string> {
  readonly target?: Target<U>
  /** Default: the first path segment after the prefix (AZ-2). */
  readonly resource?: string
  /** Default by method: GET read, POST create, PUT and PATCH update, DELETE delete (AZ-2). */
  readonly action?: string
  readonly identity?: IdentityRule
  readonly rbac?: boolean
  /** Scopes the caller must hold, all of them (ID-16). */
  readonly scopes?: readonly string[]
  /** CIDRs; the client must be in one of these and in one of the gateway's (ID-13). */
  readonly addresses?: readonly string[]
  /** Whole request, first byte in to last byte out. Default the gateway's, else `'15s'`. */
  readonly timeout?: Duration
  readonly retries?: Retries
  readonly headers?: HeaderRules
  /** Removed from the front of the path before the upstream sees it: `/captionacc/prefect`. */
  readonly stripPrefix?: string
  readonly audit?: Audit
}

export interface Route<U extends string = string> extends RouteOptions<U> {
  readonly method: Method
  /** Relative to the gateway's prefix: `/agents/{id}`; a last segment `*` takes everything below. */
  readonly path: string
}

/** One gateway as an SRE writes it. Every field that is not marked optional must be said. */
export interface Gateway<U extends string = string> {
  readonly name: string
  readonly type: GatewayType
  /** Default `'public'`. */
  readonly listener?: ListenerName
  /** Host names, exact or `*.example.com`. Default `['*']`. */
  readonly hosts?: readonly string[]
  /** In front of every route's path. Default none. */
  readonly prefix?: `/${string}`
  readonly identity: IdentityRule
  /** Default: true for type `PP`, false for others (AZ-3). */
  readonly rbac?: boolean
  /** CIDRs the client must be in. Default: any address (ID-13). */
  readonly addresses?: readonly string[]
  /** At least one must be held by every caller, such as `marketing:*` (ID-16). */
  readonly scopes?: readonly string[]
  readonly cors?: Cors
  readonly upstreams: Readonly<Record<U, Upstream>>
  readonly target: Target<NoInfer<U>>
  readonly headers?: HeaderRules
  readonly timeout?: Duration
  readonly retries?: Retries
  /** Default `https://waooaw.com/upgrade`. */
  readonly upgradeUrl?: string
  readonly audit?: Audit
  readonly routes: Readonly<Record<string, Route<NoInfer<U>>>>
}

/** Declares a gateway; the file's default export. Misspelt upstreams, issuers and units are compile errors (XD-1). */
export function defineGateway<const U extends string>(gateway: Gateway<U>): Gateway<U> {
  return gateway
}

/** Callers present a bearer JWT of one of these issuers (ID-3). */
export function jwt(...issuers: [IssuerName, ...IssuerName[]]): JwtIdentity {
  return { kind: 'jwt', issuers }
}

/** Callers present nothing; the reason is kept with the route (ID-6). */
export function open(reason: string): OpenIdentity {
  return { kind: 'open', reason }
}

/** An upstream spoken to in plain HTTP. */
export function http(address: string, options: Omit<Upstream, 'address' | 'tls'> = {}): Upstream {
  return { address, tls: false, ...options }
}

/** An upstream spoken to over TLS, its certificate checked against the system's authorities and its own name. */
export function https(address: string, options: Omit<Upstream, 'address' | 'tls'> = {}): Upstream {
  return { address, tls: true, ...options }
}

/** A route by method; `/agents/{id}` matches one segment, a last `*` everything below. GET also answers HEAD. */
export const get = route('GET')
/** See {@link get}. */
export const post = route('POST')
/** See {@link get}. */
export const put = route('PUT')
/** See {@link get}. */
export const patch = route('PATCH')
/** See {@link get}. */
export const del = route('DELETE')
/** Every method of a path. */
export const all = route('*')

function route(method: Method) {
  return <const U extends string = never>(path: `/${string}`, options: RouteOptions<U> = {}): Route<U> => ({
    method,
    path,
    ...options,
  })
}
