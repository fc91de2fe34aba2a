import { join } from 'node:path'
import protobuf from 'protobufjs'
import { beforeAll, expect, test } from 'vitest'
import { protoFiles } from '../../protos/xds.ts'
import { envoyBinary } from '../../runtime/embedded/envoy-binary.ts'
import { type EnvoyApi, envoyApi } from '../support/envoy-descriptors.ts'

let envoy: EnvoyApi
const ours = new protobuf.Root()

beforeAll(async () => {
  envoy = envoyApi(await envoyBinary())
  const folder = join(import.meta.dirname, '../../protos')
  ours.resolvePath = (_origin, target) => (target.startsWith('google/protobuf/') ? target : join(folder, target))
  ours.loadSync(protoFiles(), { keepCase: true })
  ours.resolveAll()
})

function* declarations(parent: protobuf.NamespaceBase): Generator<protobuf.Type | protobuf.Enum> {
  for (const child of parent.nestedArray) {
    if (child instanceof protobuf.Type || child instanceof protobuf.Enum) yield child
    if (child instanceof protobuf.Namespace) yield* declarations(child)
  }
}

/** What the binary carries under our package names; google.protobuf comes with the loader. */
function our<T>(kind: abstract new (...args: never[]) => T): T[] {
  return [...declarations(ours)].filter(
    (item): item is (protobuf.Type | protobuf.Enum) & T =>
      item instanceof kind && !item.fullName.startsWith('.google.protobuf.'),
  )
}

test('facts/envoy.md §1 the binary carries its descriptors: 558 files or more give over 1,500 messages', () => {
  expect(envoy.messages.size).toBeGreaterThan(1500)
})

test('protos/ every field of ours has Envoy’s number, type and label', () => {
  const wrong: string[] = []
  const messages = our(protobuf.Type)
  for (const message of messages) {
    const theirs = envoy.messages.get(message.fullName.slice(1))
    if (theirs === undefined) wrong.push(`${message.fullName}: Envoy has no such message`)
    for (const field of message.fieldsArray) {
      const declared = theirs?.get(field.name)
      const mine = { number: field.id, repeated: field.repeated || field.map, type: typeOf(message, field) }
      if (JSON.stringify(declared) !== JSON.stringify(mine)) {
        wrong.push(
          `${message.fullName}.${field.name}: ours ${JSON.stringify(mine)}, Envoy's ${JSON.stringify(declared)}`,
        )
      }
    }
  }
  expect(wrong).toEqual([])
  expect(messages.length).toBeGreaterThan(100)
})

/** A map is a repeated entry message on the wire; its value is compared through the entry. */
function typeOf(message: protobuf.Type, field: protobuf.Field): string {
  if (!(field instanceof protobuf.MapField)) return field.resolvedType?.fullName.slice(1) ?? field.type
  const entry = envoy.messages.get(message.fullName.slice(1))?.get(field.name)?.type ?? ''
  const value = envoy.messages.get(entry)?.get('value')?.type
  const key = envoy.messages.get(entry)?.get('key')?.type
  const mine = field.resolvedType?.fullName.slice(1) ?? field.type
  return key === field.keyType && value === mine ? entry : `map<${field.keyType}, ${mine}>`
}

test('protos/ every enum member of ours has Envoy’s number', () => {
  const wrong = our(protobuf.Enum).flatMap((item) => {
    const theirs = envoy.enums.get(item.fullName.slice(1))
    return Object.entries(item.values)
      .filter(([name, number]) => theirs?.get(name) !== number)
      .map(([name, number]) => `${item.fullName}.${name}: ours ${number}, Envoy's ${theirs?.get(name)}`)
  })
  expect(wrong).toEqual([])
})
