import { existsSync } from 'node:fs'
import { join } from 'node:path'
import protobuf from 'protobufjs'
import { type Api, fieldText, methodText } from '../support/envoy-descriptors.ts'

/** The API that .proto files declare, found below the first of `folders` that has them; google.protobuf is left out. */
export function writtenApi(files: readonly string[], folders: readonly string[]): Api {
  const root = new protobuf.Root()
  root.resolvePath = (_origin, target) =>
    folders.map((folder) => join(folder, target)).find((file) => existsSync(file)) ?? target
  root.loadSync([...files], { keepCase: true })
  root.resolveAll()
  return new Map([...declarations(root)].filter(([name]) => !name.startsWith('google.protobuf.')))
}

function* declarations(scope: protobuf.NamespaceBase): Generator<readonly [string, string]> {
  for (const item of scope.nestedArray) {
    if (item instanceof protobuf.Type) yield* message(item)
    if (item instanceof protobuf.Enum) yield* members(item)
    if (item instanceof protobuf.Service) yield* methods(item)
    if (item instanceof protobuf.Namespace) yield* declarations(item)
  }
}

function* message(type: protobuf.Type): Generator<readonly [string, string]> {
  yield [nameOf(type), 'message']
  for (const field of type.fieldsArray) {
    const isMap = field instanceof protobuf.MapField
    const kind = isMap ? `map<${field.keyType}, ${typeOf(field)}>` : typeOf(field)
    const oneof = field.options?.['proto3_optional'] === true ? undefined : field.partOf?.name
    yield [nameOf(field), fieldText(field.id, field.repeated, kind, oneof)]
  }
}

function* members(item: protobuf.Enum): Generator<readonly [string, string]> {
  yield [nameOf(item), 'enum']
  for (const [name, number] of Object.entries(item.values)) yield [`${nameOf(item)}.${name}`, String(number)]
}

function* methods(service: protobuf.Service): Generator<readonly [string, string]> {
  for (const method of service.methodsArray) {
    const { requestStream = false, responseStream = false, resolvedRequestType, resolvedResponseType } = method
    const request = resolvedRequestType === null ? method.requestType : nameOf(resolvedRequestType)
    const response = resolvedResponseType === null ? method.responseType : nameOf(resolvedResponseType)
    yield [nameOf(method), methodText(request, requestStream, response, responseStream)]
  }
}

function typeOf(field: protobuf.Field): string {
  return field.resolvedType === null ? field.type : nameOf(field.resolvedType)
}

function nameOf(item: protobuf.ReflectionObject): string {
  return item.fullName.slice(1)
}
