import {
  loadSync,
  type MessageTypeDefinition,
  type PackageDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader'
import type { MessageName, Messages, Outputs } from './gen/messages.ts'
import { type MessageShape, shapes } from './shape.ts'

/** Encoders and decoders over one set of .proto files. */
export interface Protos {
  /**
   * A message as wire bytes. Equal input gives equal bytes: keys of maps are sorted. Throws where a field, or a member of an
   * enum, is not in our subset, naming its path: proto-loader alone drops it silently (facts/xds.md §6).
   */
  encode<N extends MessageName>(name: N, message: Messages[N]): Buffer
  /** Wire bytes as a message; fields that our subset leaves out are skipped. */
  decode<N extends MessageName>(name: N, bytes: Uint8Array): Outputs[N]
  /** The definition of a service, for a grpc-js server or client; `D` is its generated type. */
  service<D>(name: string): D
}

/** Loads .proto files (paths below protos/) with everything that they import. ~20 ms for one service, ~100 ms for all. */
export function loadProtos(files: readonly string[]): Protos {
  const definition = loadSync([...files], {
    includeDirs: [import.meta.dirname],
    keepCase: true,
    longs: String,
    enums: String,
    oneofs: true,
  })
  const shapeOf = shapes(definition)
  return {
    encode: (name, message) => messageType(definition, name).serialize(checked(message, shapeOf(name), name, shapeOf)),
    // The loader types every message as object; the generated types say what is in it. This is the one place they meet.
    decode: (name, bytes) => messageType(definition, name).deserialize(Buffer.from(bytes)) as Outputs[typeof name],
    service: <D>(name: string) => serviceDefinition(definition, name) as D,
  }
}

function messageType(definition: PackageDefinition, name: string): MessageTypeDefinition<object, object> {
  const type = definition[name]
  if (type !== undefined && isMessageType(type)) return type
  throw new Error(`protobuf message ${name} is not loaded`)
}

function isMessageType(type: PackageDefinition[string]): type is MessageTypeDefinition<object, object> {
  return 'format' in type && type.format === 'Protocol Buffer 3 DescriptorProto'
}

function serviceDefinition(definition: PackageDefinition, name: string): ServiceDefinition {
  const service = definition[name]
  if (service !== undefined && !('format' in service)) return service
  throw new Error(`protobuf service ${name} is not loaded`)
}

/** A copy with map keys sorted; throws on what the shape does not have. */
function checked(value: object, shape: MessageShape, path: string, shapeOf: (name: string) => MessageShape): object {
  const copy: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue
    const field = shape.get(key)
    if (field === undefined) throw new Error(`${path}.${key}: not a field of our protobuf subset`)
    copy[key] = checkedField(member, field, `${path}.${key}`, shapeOf)
  }
  return copy
}

function checkedField(
  value: unknown,
  field: { readonly map: boolean; readonly message?: string; readonly values?: ReadonlySet<string> },
  path: string,
  shapeOf: (name: string) => MessageShape,
): unknown {
  if (Array.isArray(value)) return value.map((item, at) => checkedField(item, field, `${path}[${at}]`, shapeOf))
  if (field.map && isObject(value)) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    const single = { ...field, map: false }
    return Object.fromEntries(
      entries.map(([key, item]) => [key, checkedField(item, single, `${path}.${key}`, shapeOf)]),
    )
  }
  if (field.message !== undefined && isObject(value)) return checked(value, shapeOf(field.message), path, shapeOf)
  if (field.values !== undefined && typeof value === 'string' && !field.values.has(value)) {
    throw new Error(`${path}: ${JSON.stringify(value)} is not a value of this enum`)
  }
  return value
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
}
