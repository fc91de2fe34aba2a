import { readFileSync } from 'node:fs'
import descriptor from 'protobufjs/ext/descriptor/index.js'

/** A field as Envoy declares it; `type` is a scalar's name, or the full name of a message or enum. */
export interface DeclaredField {
  readonly number: number
  readonly repeated: boolean
  readonly type: string
}

/** Envoy's own API, read from its binary: messages with their fields, enums with their members. */
export interface EnvoyApi {
  readonly messages: ReadonlyMap<string, ReadonlyMap<string, DeclaredField>>
  readonly enums: ReadonlyMap<string, ReadonlyMap<string, number>>
}

/** A length, then a name. What follows must be field 2, the package (tag 0x12). */
const NAME = /\n(.)([A-Za-z0-9_/.-]+\.proto)/gs
const PACKAGE_TAG = 0x12

/** Envoy carries its file descriptors serialized: each begins with its own length-prefixed name (facts/envoy.md §1). */
export function envoyApi(binary: string): EnvoyApi {
  const bytes = readFileSync(binary)
  const messages = new Map<string, Map<string, DeclaredField>>()
  const enums = new Map<string, Map<string, number>>()
  for (const { index, 1: length = '', 2: name = '' } of bytes.toString('latin1').matchAll(NAME)) {
    if (name.length !== length.charCodeAt(0) || bytes[index + 2 + name.length] !== PACKAGE_TAG) continue
    const file = descriptor.FileDescriptorProto.decode(bytes.subarray(index, endOfMessage(bytes, index)))
    const read = descriptor.FileDescriptorProto.toObject(file, { enums: String, defaults: true }) as FileDescriptor
    for (const message of read.messageType) addMessage(messages, enums, read.package, message)
    for (const { name: enumName, value } of read.enumType) enums.set(`${read.package}.${enumName}`, members(value))
  }
  return { messages, enums }
}

interface FileDescriptor {
  readonly package: string
  readonly messageType: readonly MessageDescriptor[]
  readonly enumType: readonly EnumDescriptor[]
}
interface MessageDescriptor {
  readonly name: string
  readonly field: readonly { name: string; number: number; label: string; type: string; typeName: string }[]
  readonly nestedType: readonly MessageDescriptor[]
  readonly enumType: readonly EnumDescriptor[]
}
interface EnumDescriptor {
  readonly name: string
  readonly value: readonly { readonly name: string; readonly number: number }[]
}

function addMessage(
  messages: Map<string, Map<string, DeclaredField>>,
  enums: Map<string, Map<string, number>>,
  scope: string,
  message: MessageDescriptor,
): void {
  const full = `${scope}.${message.name}`
  const fields = message.field.map(({ name, number, label, type, typeName }): [string, DeclaredField] => [
    name,
    { number, repeated: label === 'LABEL_REPEATED', type: typeName === '' ? scalar(type) : typeName.slice(1) },
  ])
  messages.set(full, new Map(fields))
  for (const nested of message.nestedType) addMessage(messages, enums, full, nested)
  for (const { name, value } of message.enumType) enums.set(`${full}.${name}`, members(value))
}

function members(value: EnumDescriptor['value']): Map<string, number> {
  return new Map(value.map(({ name, number }) => [name, number]))
}

function scalar(type: string): string {
  return type.replace('TYPE_', '').toLowerCase()
}

/** A FileDescriptorProto has fields 1 to 14; the first tag outside them, or a second name, is the next thing in the binary. */
function endOfMessage(bytes: Buffer, start: number): number {
  let at = start
  while (at < bytes.length) {
    const tag = varint(bytes, at)
    const field = tag.value >>> 3
    const wire = tag.value & 7
    if (field < 1 || field > 14 || (field === 1 && at !== start) || (wire !== 2 && wire !== 0)) return at
    const value = varint(bytes, tag.end)
    at = wire === 2 ? value.end + value.value : value.end
  }
  return at
}

function varint(bytes: Buffer, start: number): { value: number; end: number } {
  let value = 0
  for (let at = start, shift = 0; ; at++, shift += 7) {
    const byte = bytes[at] ?? 0
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return { value, end: at + 1 }
  }
}
