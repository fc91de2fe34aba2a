import type { PackageDefinition } from '@grpc/proto-loader'

/** What may stand in one field. */
export interface FieldShape {
  readonly map: boolean
  /** Full name of the message type, of a map the value's. */
  readonly message?: string
  /** Names of the enum's members. */
  readonly values?: ReadonlySet<string>
}

/** The fields of a message by name. */
export type MessageShape = ReadonlyMap<string, FieldShape>

/** The parts of a descriptor that shapes are made of (google/protobuf/descriptor.proto, as proto-loader gives it). */
interface Descriptor {
  readonly name: string
  readonly field?: readonly { readonly name: string; readonly type: string; readonly typeName: string }[]
  readonly nestedType?: readonly Descriptor[]
  readonly enumType?: readonly Descriptor[]
  /** The members of an enum. */
  readonly value?: readonly { readonly name: string }[]
  readonly options?: { readonly mapEntry?: boolean } | null
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

/** proto-loader lists the messages of a package by name; those inside a message are only in its descriptor. */
function allDescriptors(definition: PackageDefinition): Descriptors {
  const found = new Map<string, Descriptor>()
  const add = (name: string, descriptor: Descriptor) => {
    found.set(name, descriptor)
    for (const nested of descriptor.nestedType ?? []) add(`${name}.${nested.name}`, nested)
    for (const nested of descriptor.enumType ?? []) add(`${name}.${nested.name}`, nested)
  }
  for (const [name, type] of Object.entries(definition)) {
    // proto-loader types a descriptor as object; its members are those of descriptor.proto.
    if ('type' in type && typeof type.type === 'object') add(name, type.type as Descriptor)
  }
  return found
}

function shapeOf(descriptors: Descriptors, name: string): MessageShape {
  const descriptor = descriptors.get(name)
  if (descriptor === undefined) throw new Error(`protobuf message ${name} is not loaded`)
  return new Map((descriptor.field ?? []).map((field) => [field.name, fieldShape(descriptors, name, field)]))
}

function fieldShape(
  descriptors: Descriptors,
  scope: string,
  field: { readonly type: string; readonly typeName: string },
): FieldShape {
  if (field.typeName === '') return { map: false }
  const [name, descriptor] = resolved(descriptors, scope, field.typeName)
  if (descriptor.options?.mapEntry) {
    const value = descriptor.field?.find((member) => member.name === 'value')
    return value === undefined ? { map: true } : { ...fieldShape(descriptors, name, value), map: true }
  }
  if (field.type === 'TYPE_MESSAGE') return { map: false, message: name }
  return { map: false, values: new Set(descriptor.value?.map((member) => member.name)) }
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
