import {
  loadSync,
  type MessageTypeDefinition,
  type PackageDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader'
import { checked } from './checked.ts'
import type { MessageName, Messages, Outputs } from './gen/messages.ts'
import { isMessageType, shapes } from './shape.ts'

/** Encoders and decoders over one set of .proto files. */
export interface Protos {
  /**
   * A message as wire bytes. Equal input gives equal bytes: keys of maps are sorted. Throws, naming the path, on what
   * proto-loader alone would drop or bend silently (facts/xds.md §6): unknown fields, enum members, two fields of a oneof.
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
    encode: (name, message) => messageType(definition, name).serialize(checked(name, message, shapeOf)),
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

function serviceDefinition(definition: PackageDefinition, name: string): ServiceDefinition {
  const service = definition[name]
  if (service !== undefined && !('format' in service)) return service
  throw new Error(`protobuf service ${name} is not loaded`)
}
