import { readFileSync } from 'node:fs'
import descriptor from 'protobufjs/ext/descriptor/index.js'

/**
 * An API by full name: for a field its number, label, type and oneof (`4 repeated envoy.a.B`), for a member of an enum its number,
 * for a method its types, else the kind of declaration. Two APIs that agree on the wire have equal texts.
 */
export type Api = ReadonlyMap<string, string>

/** One field as text; `type` is a scalar's name, the full name of a message or enum, or `map<key, value>`. */
export function fieldText(number: number, repeated: boolean, type: string, oneof: string | undefined): string {
  return `${number} ${repeated ? 'repeated ' : ''}${type}${oneof === undefined ? '' : ` in oneof ${oneof}`}`
}

/** One method as text. */
export function methodText(request: string, requests: boolean, response: string, responses: boolean): string {
  return `(${requests ? 'stream ' : ''}${request}) returns (${responses ? 'stream ' : ''}${response})`
}

/** A length, then a name. What follows must be field 2, the package (tag 0x12). */
const NAME = /\n(.)([A-Za-z0-9_/.-]+\.proto)/gs
const PACKAGE_TAG = 0x12

/** The API of an Envoy, which carries its file descriptors serialized: each begins with its own name (facts/envoy.md §1). */
export function envoyApi(binary: string): Api {
  const bytes = readFileSync(binary)
  const api = new Map<string, string>()
  for (const { index, 1: length = '', 2: name = '' } of bytes.toString('latin1').matchAll(NAME)) {
    if (name.length !== length.charCodeAt(0) || bytes[index + 2 + name.length] !== PACKAGE_TAG) continue
    const file = descriptor.FileDescriptorProto.decode(bytes.subarray(index, endOfMessage(bytes, index)))
    addFile(api, descriptor.FileDescriptorProto.toObject(file, { enums: String, arrays: true }) as FileDescriptor)
  }
  return api
}

interface FileDescriptor {
  readonly package: string
  readonly messageType: readonly MessageDescriptor[]
  readonly enumType: readonly EnumDescriptor[]
  readonly service: readonly { readonly name: string; readonly method: readonly MethodDescriptor[] }[]
}
interface MessageDescriptor {
  readonly name: string
  readonly field: readonly FieldDescriptor[]
  readonly oneofDecl: readonly { readonly name: string }[]
  readonly nestedType: readonly MessageDescriptor[]
  readonly enumType: readonly EnumDescriptor[]
  readonly options?: { readonly mapEntry?: boolean }
}
interface FieldDescriptor {
  readonly name: string
  readonly number: number
  readonly label: string
  readonly type: string
  readonly typeName?: string
  readonly oneofIndex?: number
  readonly proto3Optional?: boolean
}
interface EnumDescriptor {
  readonly name: string
  readonly value: readonly { readonly name: string; readonly number: number }[]
}
interface MethodDescriptor {
  readonly name: string
  readonly inputType: string
  readonly outputType: string
  readonly clientStreaming?: boolean
  readonly serverStreaming?: boolean
}

function addFile(api: Map<string, string>, file: FileDescriptor): void {
  for (const message of file.messageType) addMessage(api, file.package, message)
  for (const item of file.enumType) addEnum(api, file.package, item)
  for (const { name, method } of file.service) {
    for (const { name: call, inputType, outputType, clientStreaming = false, serverStreaming = false } of method) {
      const text = methodText(inputType.slice(1), clientStreaming, outputType.slice(1), serverStreaming)
      api.set(`${file.package}.${name}.${call}`, text)
    }
  }
}

function addMessage(api: Map<string, string>, scope: string, message: MessageDescriptor): void {
  const full = `${scope}.${message.name}`
  api.set(full, 'message')
  for (const field of message.field) api.set(`${full}.${field.name}`, declaredField(message, field))
  for (const nested of message.nestedType) if (!nested.options?.mapEntry) addMessage(api, full, nested)
  for (const item of message.enumType) addEnum(api, full, item)
}

function declaredField(message: MessageDescriptor, field: FieldDescriptor): string {
  const entry = message.nestedType.find(
    (nested) => nested.options?.mapEntry && field.typeName?.endsWith(`.${nested.name}`),
  )
  if (entry !== undefined)
    return fieldText(field.number, false, `map<${entry.field.map(typeOf).join(', ')}>`, undefined)
  const oneof = field.oneofIndex === undefined || field.proto3Optional ? undefined : message.oneofDecl[field.oneofIndex]
  return fieldText(field.number, field.label === 'LABEL_REPEATED', typeOf(field), oneof?.name)
}

function typeOf({ type, typeName }: FieldDescriptor): string {
  return typeName?.slice(1) ?? type.replace('TYPE_', '').toLowerCase()
}

function addEnum(api: Map<string, string>, scope: string, { name, value }: EnumDescriptor): void {
  api.set(`${scope}.${name}`, 'enum')
  for (const member of value) api.set(`${scope}.${name}.${member.name}`, String(member.number))
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
