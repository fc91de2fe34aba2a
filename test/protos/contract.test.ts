import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { protoFiles } from '../../protos/xds.ts'
import { envoyBinary } from '../../runtime/embedded/envoy-binary.ts'
import { type Api, envoyApi } from '../support/envoy-descriptors.ts'
import { writtenApi } from './written-api.ts'

const CHECKOUT = join(import.meta.dirname, '../..')
/** Readable protos of an older Envoy, by the folder of their own root. */
const PUBLISHED = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((part) =>
  join(CHECKOUT, 'node_modules/@grpc/grpc-js-xds/deps', part),
)

const ours = writtenApi(protoFiles(), [join(CHECKOUT, 'protos')])
let envoy: Api

beforeAll(async () => {
  envoy = envoyApi(await envoyBinary())
})

/** What we declare otherwise than they do. */
function differences(theirs: Api): string[] {
  return [...ours]
    .filter(([name, text]) => theirs.get(name) !== text)
    .map(([name, text]) => `${name}: ours ${text}, theirs ${theirs.get(name) ?? 'missing'}`)
}

test('facts/envoy.md §1 the binary carries its descriptors: over 1,500 messages', () => {
  expect([...envoy.values()].filter((text) => text === 'message').length).toBeGreaterThan(1500)
})

test('protos/ every message, field, oneof, enum member and method of ours is that of the Envoy we run', () => {
  expect(differences(envoy)).toEqual([])
  expect([...ours.values()].filter((text) => text === 'message').length).toBeGreaterThan(100)
})

test('protos/ every file of ours that older published protos have says the same as they do', () => {
  const files = protoFiles().filter((file) => PUBLISHED.some((folder) => existsSync(join(folder, file))))
  const published = writtenApi(files, PUBLISHED)
  // Newer fields, and files such as body_size_limit.proto, are in the binary alone.
  const shared = differences(published).filter((line) => !line.endsWith('theirs missing'))
  expect(shared).toEqual([])
  expect([...ours.keys()].filter((name) => published.has(name)).length).toBeGreaterThan(500)
})

test('protos/ a file of ours stands where Envoy has it, and says what it is in its first line', () => {
  for (const file of protoFiles()) {
    const text = readFileSync(join(CHECKOUT, 'protos', file), 'utf8')
    expect(text, file).toMatch(/^\/\/ .+\n/)
    expect(text, file).toContain(`package ${file.split('/').slice(0, -1).join('.')};`)
  }
})
