import type { Retries } from '../define.ts'
import type { Listener } from '../listeners.ts'
import { segmentsOf } from '../precedence.ts'
import type { PropertyPath } from './plain-data.ts'
import type { GatewayData, IdentityData, RouteData } from './schema.ts'
import type { Source } from './source.ts'
import { locate } from './source-lines.ts'
import type { IssuerData } from './table-schema.ts'

/** One file of the folder, read and of the right form. */
export interface Definition {
  readonly gateway: GatewayData
  readonly source: Source
}

/** What definitions may name, as the files say now. */
export interface Tables {
  readonly issuers: Readonly<Record<string, IssuerData>>
  readonly listeners: Readonly<Record<string, Listener>>
}

/** A route with what it takes from its gateway. */
export interface EffectiveRoute {
  readonly name: string
  readonly own: RouteData
  /** Prefix included. */
  readonly path: string
  readonly identity: IdentityData
  readonly target: { readonly paid: string; readonly trial: string }
  readonly rbac: boolean
  readonly timeout: string
  readonly retries: Retries
}

/** Host of a gateway that names none: any. */
export const ANY_HOST = ['*'] as const
export const DEFAULT_LISTENER = 'public'
const DEFAULT_TIMEOUT = '15s'

/** Once, and only when the upstream cannot have seen the request. */
const DEFAULT_RETRIES: Retries = { attempts: 1, on: ['connect-failure', 'refused-stream', 'reset-before-request'] }

/** A gateway's routes in the order of the file. */
export function routesOf(gateway: GatewayData): EffectiveRoute[] {
  return Object.entries(gateway.routes).map(([name, own]) => {
    const identity = own.identity ?? gateway.identity
    return {
      name,
      own,
      path: fullPath(gateway.prefix, own.path),
      identity,
      target: split(own.target ?? gateway.target),
      // An open route knows no roles; that none is asked for by name is a check's matter (SP3009).
      rbac: identity.kind === 'jwt' && (own.rbac ?? gateway.rbac ?? gateway.type === 'PP'),
      timeout: own.timeout ?? gateway.timeout ?? DEFAULT_TIMEOUT,
      retries: own.retries ?? gateway.retries ?? DEFAULT_RETRIES,
    }
  })
}

/** How many path segments the prefix has: what is between an index in the route's path and one in the full path. */
export function prefixLength(gateway: GatewayData): number {
  return gateway.prefix === undefined ? 0 : segmentsOf(gateway.prefix).length
}

/** `file:line` of a gateway's property, as policies and messages show it. */
export function placeOf({ source }: Definition, path: PropertyPath): string {
  return `${source.shown}:${locate(source, 'default', path, 'key').line}`
}

/** The route `/` of a gateway with a prefix is the prefix itself: no path ends with a slash but the root. */
function fullPath(prefix: string | undefined, path: string): string {
  if (prefix === undefined) return path
  return path === '/' ? prefix : `${prefix}${path}`
}

function split(target: GatewayData['target']): EffectiveRoute['target'] {
  return typeof target === 'string' ? { paid: target, trial: target } : target
}
