import {
  type Cors,
  GATEWAY_TYPES,
  type Gateway,
  type HeaderRules,
  METHODS,
  RETRY_CONDITIONS,
  type Retries,
  type Route,
  type Upstream,
} from '../define.ts'
import { durationMs } from './durations.ts'
import {
  flag,
  isRecord,
  list,
  object,
  oneOf,
  optional,
  type Reader,
  required,
  table,
  whole,
  wrongType,
} from './reading.ts'
import { audit } from './values/audit.ts'
import { headerName, headerTable } from './values/headers.ts'
import { cidr, host, origin, pageUrl, upstreamAddress } from './values/network.ts'
import { literalPath, routePath } from './values/paths.ts'
import { duration, kebab, openReason, permissionWord, routeName, scope } from './values/words.ts'

/**
 * A definition whose every field has its form; whether the names in it exist is another question (`checks/`). It is a
 * `Gateway` in which names of issuers and listeners are still any text.
 */
export interface GatewayData extends Omit<Gateway, 'listener' | 'prefix' | 'identity' | 'routes'> {
  readonly listener?: string
  readonly prefix?: string
  readonly identity: IdentityData
  readonly routes: Readonly<Record<string, RouteData>>
}

export interface RouteData extends Omit<Route, 'identity'> {
  readonly identity?: IdentityData
}

export type IdentityData =
  | { readonly kind: 'open'; readonly reason: string }
  | { readonly kind: 'jwt'; readonly issuers: readonly string[] }

const openIdentity = object<Extract<IdentityData, { kind: 'open' }>>({
  kind: required(oneOf(['open'])),
  reason: required(openReason),
})

const jwtIdentity = object<Extract<IdentityData, { kind: 'jwt' }>>({
  kind: required(oneOf(['jwt'])),
  issuers: required(list(kebab)),
})

const identity: Reader<IdentityData> = (value, path, report) => {
  if (!isRecord(value) || (value['kind'] !== 'open' && value['kind'] !== 'jwt')) {
    return wrongType(value, "jwt('<issuer>') or open('<reason>')", path, report)
  }
  return value['kind'] === 'open' ? openIdentity(value, path, report) : jwtIdentity(value, path, report)
}

const splitTarget = object<{ paid: string; trial: string }>({ paid: required(kebab), trial: required(kebab) })

const target: Reader<Gateway['target']> = (value, path, report) =>
  typeof value === 'string' ? kebab(value, path, report) : splitTarget(value, path, report)

const headers = object<HeaderRules>({ request: optional(headerTable), response: optional(headerTable) })

const retryFields = object<Retries>({
  attempts: required(whole(0, 5)),
  on: required(list(oneOf(RETRY_CONDITIONS))),
  perTryTimeout: optional(duration),
})

const upstream = object<Upstream>({
  address: required(upstreamAddress),
  tls: required(flag),
  http2: optional(flag),
  connectTimeout: optional(duration),
  forwardCredentials: optional(flag),
})

const wholeSeconds: Reader<NonNullable<Cors['maxAge']>> = (value, path, report) => {
  const time = duration(value, path, report)
  if (time === undefined || (durationMs(time) ?? 0) % 1_000 === 0) return time
  return report({ code: 'SP2015', path, message: `"${time}" is not whole seconds`, expected: 'whole seconds: "10m"' })
}

const cors = object<Cors>({
  origins: required(list(origin)),
  methods: optional(list(oneOf(METHODS.filter((method) => method !== '*')))),
  headers: optional(list(headerName)),
  exposeHeaders: optional(list(headerName)),
  credentials: optional(flag),
  maxAge: optional(wholeSeconds),
})

const route = object<RouteData>({
  method: required(oneOf(METHODS)),
  path: required(routePath),
  target: optional(target),
  resource: optional(permissionWord),
  action: optional(permissionWord),
  identity: optional(identity),
  rbac: optional(flag),
  scopes: optional(list(scope)),
  addresses: optional(list(cidr)),
  timeout: optional(duration),
  retries: optional(retryFields),
  headers: optional(headers),
  stripPrefix: optional(literalPath),
  audit: optional(audit),
})

const routes: Reader<GatewayData['routes']> = (value, path, report) => {
  if (isRecord(value) && Object.keys(value).length === 0) {
    return report({ code: 'SP2006', path, message: 'a gateway without routes answers nothing', suggestion: 'add one' })
  }
  return table(routeName, route)(value, path, report)
}

/** Reads a definition strictly: unknown fields are findings, and so is every value that is not of its field's form. */
export const readGateway = object<GatewayData>({
  name: required(kebab),
  type: required(oneOf(GATEWAY_TYPES)),
  listener: optional(kebab),
  hosts: optional(list(host)),
  prefix: optional(literalPath),
  identity: required(identity),
  rbac: optional(flag),
  addresses: optional(list(cidr)),
  scopes: optional(list(scope)),
  cors: optional(cors),
  upstreams: required(table(kebab, upstream)),
  target: required(target),
  headers: optional(headers),
  timeout: optional(duration),
  retries: optional(retryFields),
  upgradeUrl: optional(pageUrl),
  audit: optional(audit),
  routes: required(routes),
})
