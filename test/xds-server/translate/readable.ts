import { loadSync } from '@grpc/proto-loader'
import type { AnyMessage } from '../../../protos/any.ts'
import { isMessageType, shapes } from '../../../protos/shape.ts'
import { protoFiles } from '../../../protos/xds.ts'

const definition = loadSync(protoFiles(), {
  includeDirs: ['protos'],
  keepCase: true,
  longs: String,
  enums: String,
  oneofs: true,
})
const shapeOf = shapes(definition)

/** A JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

type Raw = Record<string, unknown>

/** A packed message in the JSON mapping of protobuf, Anys inside it too: what Envoy's own tools read and people compare. */
export function readable(packed: AnyMessage): { readonly [key: string]: Json } {
  return message(nameOf(packed), decoded(packed))
}

/** The bytes of a packed message after decoding and encoding it: equal, unless something was lost. */
export function encodedAgain(packed: AnyMessage): Buffer {
  const type = typeOf(packed)
  return type.serialize(type.deserialize(packed.value))
}

function decoded(packed: AnyMessage): Raw {
  return { ...typeOf(packed).deserialize(packed.value) }
}

function typeOf(packed: AnyMessage) {
  const type = definition[nameOf(packed)]
  if (type !== undefined && isMessageType(type)) return type
  throw new Error(`${packed.type_url} is not loaded`)
}

function nameOf({ type_url }: AnyMessage): string {
  return type_url.slice(type_url.indexOf('/') + 1)
}

function message(name: string, raw: Raw): { readonly [key: string]: Json } {
  const members: Record<string, Json> = {}
  for (const [field, { map, message: type }] of shapeOf(name).fields) {
    const value = raw[field]
    if (value === undefined || value === null) continue
    members[field] = map ? mapped(type, value) : member(type, value)
  }
  return members
}

function mapped(type: string | undefined, value: unknown): Json {
  const entries = Object.entries(asRaw(value))
  return Object.fromEntries(entries.map(([key, item]) => [key, member(type, item)]))
}

function member(type: string | undefined, value: unknown): Json {
  if (Array.isArray(value)) return value.map((item) => member(type, item))
  if (Buffer.isBuffer(value)) return value.toString('base64')
  if (type === undefined) return scalar(value)
  const special = SPECIAL[type]
  return special === undefined ? message(type, asRaw(value)) : special(asRaw(value))
}

/** Messages whose JSON is not an object of their fields (protobuf.dev, "ProtoJSON format"). */
const SPECIAL: Readonly<Record<string, (raw: Raw) => Json>> = {
  'google.protobuf.Any': (raw) => {
    if (typeof raw['type_url'] !== 'string' || !Buffer.isBuffer(raw['value'])) throw new Error('an Any without type')
    const packed = { type_url: raw['type_url'], value: raw['value'] }
    return { '@type': packed.type_url, ...readable(packed) }
  },
  'google.protobuf.Duration': ({ seconds = 0, nanos = 0 }) => `${Number(seconds) + Number(nanos) / 1e9}s`,
  'google.protobuf.Struct': (raw) => struct(raw),
  'google.protobuf.BoolValue': (raw) => raw['value'] === true,
  'google.protobuf.UInt32Value': (raw) => Number(raw['value'] ?? 0),
  'google.protobuf.UInt64Value': (raw) => String(raw['value'] ?? 0),
}

function struct({ fields }: Raw): Json {
  return Object.fromEntries(Object.entries(asRaw(fields ?? {})).map(([key, value]) => [key, structValue(asRaw(value))]))
}

function structValue(raw: Raw): Json {
  const inner = raw['structValue']
  return inner === undefined || inner === null
    ? scalar(raw['stringValue'] ?? raw['numberValue'] ?? raw['boolValue'])
    : struct(asRaw(inner))
}

function scalar(value: unknown): Json {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  throw new Error(`no JSON for ${String(value)}`)
}

function asRaw(value: unknown): Raw {
  if (typeof value === 'object' && value !== null) return { ...value }
  throw new Error(`expected a message, got ${String(value)}`)
}
