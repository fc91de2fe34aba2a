import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader'

/** What may stand in one field. */
export interface FieldShape {
  readonly map: boolean
  /** The field's type: a scalar as in the protobuf language (`uint32`), or `message`, or `enum`; of a map the value's. */
  readonly kind: string
  /** Full name of the message type. */
  readonly message?: string
  /** Names of the enum's members. */
  readonly values?: ReadonlySet<string>
  /** The oneof that the field belongs to: of its fields one may be set. */
  readonly oneof?: string
}

/** The fields of a message by name, and the names of its oneofs. */
export interface MessageShape {
  readonly fields: ReadonlyMap<string, FieldShape>
  readonly oneofs: ReadonlySet<string>
}

/** The parts of a descriptor that shapes are made of (google/protobuf/descriptor.proto). */
interface Descriptor {
  readonly name: string
  readonly field?: readonly FieldDescriptor[]
  readonly oneofDecl?: readonly { readonly name: string }[]
  readonly nestedType?: readonly Descriptor[]
  readonly enumType?: readonly Descriptor[]
  /** The members of an enum. */
  readonly value?: readonly { readonly name: string }[]
  readonly options?: { readonly mapEntry?: boolean } | null
}

interface FieldDescriptor {
  readonly name: string
  readonly type: string
  /** Set for messages and enums. */
  readonly typeName?: string
  readonly oneofIndex?: number
}

interface FileDescriptor {
  readonly package: string
  readonly messageType?: readonly Descriptor[]
  readonly enumType?: readonly Descriptor[]
}

/** Shapes of the loaded messages, made when first asked for. The function throws on a name that is not loaded. */
export function shapes(definition: PackageDefinition): (name: string) => MessageShape {
  const made = new Map<string, MessageShape>()
  let descriptors: Descriptors | undefined
  return (name) => {
    const known = made.get(name)
    if (known !== undefined) return known
    descriptors ??= allDescriptors(definition)
    const shape = shapeOf(descriptors, name)
    made.set(name, shape)
    return shape
  }
}

type Descriptors = ReadonlyMap<string, Descriptor>

/**
 * Every message and enum by full name, from the serialized descriptors: the readable ones that proto-loader gives beside them put
 * every field into the first oneof, because they have defaults filled in.
 */
function allDescriptors(definition: PackageDefinition): Descriptors {
  const found = new Map<string, Descriptor>()
  const add = (scope: string, { messageType = [], enumType = [] }: Omit<FileDescriptor, 'package'>) => {
    for (const descriptor of [...messageType, ...enumType]) {
      const name = `${scope}.${descriptor.name}`
      found.set(name, descriptor)
      add(name, { messageType: descriptor.nestedType ?? [], enumType: descriptor.enumType ?? [] })
    }
  }
  for (const file of fileDescriptors(definition)) add(file.package, file)
  return found
}

function fileDescriptors(definition: PackageDefinition): FileDescriptor[] {
  const reader = loadSync('google/protobuf/descriptor.proto', { enums: String })['google.protobuf.FileDescriptorProto']
  if (reader === undefined || !isMessageType(reader)) throw new Error('proto-loader lacks descriptor.proto')
  // Every message carries the descriptors of everything that was loaded with it.
  const files = Object.values(definition).find(isMessageType)?.fileDescriptorProtos ?? []
  // The loader types what it reads as object; the members are those of descriptor.proto.
  return files.map((bytes) => reader.deserialize(bytes) as FileDescriptor)
}

/** Tells a message from a service or an enum. */
export function isMessageType(type: PackageDefinition[string]): type is MessageTypeDefinition<object, object> {
  return 'format' in type && type.format === 'Protocol Buffer 3 DescriptorProto'
}

function shapeOf(descriptors: Descriptors, name: string): MessageShape {
  const descriptor = descriptors.get(name)
  if (descriptor === undefined) throw new Error(`protobuf message ${name} is not loaded`)
  const oneofs = (descriptor.oneofDecl ?? []).map((oneof) => oneof.name)
  const shaped = (field: FieldDescriptor): [string, FieldShape] => {
    const oneof = field.oneofIndex === undefined ? undefined : oneofs[field.oneofIndex]
    const shape = fieldShape(descriptors, name, field)
    return [field.name, oneof === undefined ? shape : { ...shape, oneof }]
  }
  return { fields: new Map((descriptor.field ?? []).map(shaped)), oneofs: new Set(oneofs) }
}

function fieldShape(descriptors: Descriptors, scope: string, field: FieldDescriptor): FieldShape {
  if (field.typeName === undefined) return { map: false, kind: field.type.replace('TYPE_', '').toLowerCase() }
  const [name, descriptor] = resolved(descriptors, scope, field.typeName)
  if (descriptor.options?.mapEntry) {
    const value = descriptor.field?.find((member) => member.name === 'value')
    if (value === undefined) throw new Error(`${name} is a map without values`)
    return { ...fieldShape(descriptors, name, value), map: true }
  }
  if (field.type === 'TYPE_MESSAGE') return { map: false, kind: 'message', message: name }
  return { map: false, kind: 'enum', values: new Set(descriptor.value?.map((member) => member.name)) }
}

/** Names in descriptors are relative; the innermost scope that has the name wins, as in the protobuf language. */
function resolved(descriptors: Descriptors, scope: string, typeName: string): [string, Descriptor] {
  const parts = scope.split('.')
  for (let depth = parts.length; depth >= 0; depth--) {
    const name = [...parts.slice(0, depth), typeName].join('.')
    const descriptor = descriptors.get(name)
    if (descriptor !== undefined) return [name, descriptor]
  }
  throw new Error(`${scope} refers to ${typeName}, which is not loaded`)
}
