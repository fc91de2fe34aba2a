import { createHash } from 'node:crypto'
import { type AnyMessage, typeUrl } from '../protos/any.ts'
import { encode } from '../protos/xds.ts'

/** The resource types we serve, as type URLs. */
export const CLUSTER = typeUrl('envoy.config.cluster.v3.Cluster')
export const ENDPOINTS = typeUrl('envoy.config.endpoint.v3.ClusterLoadAssignment')
export const SECRET = typeUrl('envoy.extensions.transport_sockets.tls.v3.Secret')
export const LISTENER = typeUrl('envoy.config.listener.v3.Listener')
export const ROUTES = typeUrl('envoy.config.route.v3.RouteConfiguration')

/** Every type, in the order in which Envoy may come to need them: what comes later may name what comes before. */
export const TYPES = [CLUSTER, ENDPOINTS, SECRET, LISTENER, ROUTES] as const

export type TypeUrl = (typeof TYPES)[number]

/** True for the types of {@link TYPES}. */
export function isServed(type: string): type is TypeUrl {
  return TYPES.some((served) => served === type)
}

/** One xDS resource: encoded once, versioned by its content, shared by every stream (C42). */
export interface Resource {
  readonly type: TypeUrl
  readonly name: string
  /** First 12 characters of the base64url SHA-256 of the bytes. */
  readonly version: string
  /** The message inside the Any. */
  readonly body: AnyMessage
  /** `file:line` of the definition it comes from; named when an Envoy rejects it (XD-8). */
  readonly origin?: string
  /** Clusters that must be warm before it may be used: of a route configuration, those its routes name. */
  readonly needs: readonly string[]
}

/** All resources of one state of the definitions; frozen, replaced as a whole. */
export interface Snapshot {
  /** Hash of every name and version: equal content, equal revision. */
  readonly revision: string
  readonly resources: ReadonlyMap<TypeUrl, ReadonlyMap<string, Resource>>
}

/** Makes a resource of an encoded message; throws unless `name` is the name inside, which Envoy would believe over ours (C21). */
export function resource(
  name: string,
  body: AnyMessage,
  about: { readonly origin?: string; readonly needs?: readonly string[] } = {},
): Resource {
  const { type_url: type } = body
  if (!isServed(type)) throw new Error(`${type} is not a type that this server serves`)
  if (!startsWithName(body.value, name)) throw new Error(`a ${type} sent as ${name} has another name inside`)
  const origin = about.origin === undefined ? {} : { origin: about.origin }
  return Object.freeze({ type, name, version: shortHash(body.value), body, needs: about.needs ?? [], ...origin })
}

/** Gathers resources; two of one type and name are a bug of the translator and throw. */
export function snapshot(resources: readonly Resource[]): Snapshot {
  const byType = new Map<TypeUrl, Map<string, Resource>>(TYPES.map((type) => [type, new Map()]))
  for (const item of resources) {
    const named = byType.get(item.type)
    if (named?.has(item.name)) throw new Error(`two resources of type ${item.type} are named ${item.name}`)
    named?.set(item.name, item)
  }
  const lines = resources.map(({ type, name, version }) => `${type} ${name} ${version}`).sort()
  return Object.freeze({ revision: shortHash(Buffer.from(lines.join('\n'))), resources: byType })
}

/** No resource at all. */
export const EMPTY: Snapshot = snapshot([])

/** Each of our types has its name as field 1, a string, and the encoder writes fields in order. */
function startsWithName(bytes: Buffer, name: string): boolean {
  const field = encode('envoy.config.cluster.v3.Cluster', { name })
  return bytes.subarray(0, field.length).equals(field)
}

function shortHash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64url').slice(0, 12)
}
