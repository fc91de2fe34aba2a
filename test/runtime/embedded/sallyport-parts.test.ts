import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { auditFolders } from '../../../runtime/embedded/audit-folders.ts'
import { PORT_SETTINGS, type Ports } from '../../../runtime/embedded/ports-table.ts'
import { databaseUrls } from '../../../runtime/embedded/postgres/database-file.ts'
import { type PartsPlaces, sallyportParts } from '../../../runtime/embedded/sallyport-parts.ts'
import { Secret } from '../../../runtime/secret.ts'
import { temporaryFolder } from './temporary-folder.ts'

const ports = Object.fromEntries(Object.keys(PORT_SETTINGS).map((name, at) => [name, 20_000 + at])) as Ports

/** The parts of a Sallyport in a folder of its own; nothing is started. */
async function parts(kind: 'none' | 'embedded' | 'external') {
  const state = temporaryFolder()
  const audit = await auditFolders(state, undefined)
  const urls = await databaseUrls(join(state, 'database.json'), { port: ports.postgres })
  const embedded = { data: join(state, 'postgres'), password: new Secret('x') }
  const stores: Record<typeof kind, Partial<PartsPlaces>> = {
    none: {},
    embedded: { store: { urls, embedded } },
    external: { store: { urls } },
  }
  const options = { envoy: '/bin/true', definitions: 'policies/gateways', ports, workers: 1, concurrency: 1 }
  const places = { dev: state, run: state, sockets: state, bindings: join(state, 'bindings.json'), audit }
  return sallyportParts(options, { ...places, ...stores[kind] })
}

test('AU-1 Envoy waits for what decides, not for what records: traffic goes on without PostgreSQL and recorder', async () => {
  const all = await parts('embedded')
  const needs = (name: string) => all.find((part) => part.name === name)?.needs
  expect(needs('envoy')).toEqual(['plant', 'plant-sandbox', 'issuer', 'xds-server', 'ext-authz'])
  expect(needs('recorder')).toEqual(['postgres'])
  expect(needs('postgres')).toEqual([])
})

test('an external PostgreSQL takes the place of the embedded one only; without a store the recorder is gone too', async () => {
  const names = async (kind: Parameters<typeof parts>[0]) => (await parts(kind)).map(({ name }) => name)
  const traffic = ['plant', 'plant-sandbox', 'issuer', 'xds-server', 'ext-authz', 'envoy']
  expect((await names('embedded')).filter((name) => !traffic.includes(name))).toEqual(['postgres', 'recorder'])
  expect((await names('external')).filter((name) => !traffic.includes(name))).toEqual(['recorder'])
  expect(await names('none')).toEqual(traffic)
})

test('each of our processes knows every setting that `up` gives it', async () => {
  const ours = (await parts('embedded')).filter(({ name }) => name !== 'envoy' && name !== 'postgres')
  const printed = ours.map(async (part) => {
    const { file, args, env } = await part.command()
    const { stdout } = await promisify(execFile)(file, [...args, '--print-config'], { env: { ...env } })
    return [part.name, stdout.includes('(environment)')]
  })
  expect(await Promise.all(printed)).toEqual(ours.map(({ name }) => [name, true]))
})

test('the node keeps its name, whatever the host is called, unless SALLYPORT_NODE names it', async () => {
  const state = temporaryFolder()
  const first = await auditFolders(state, undefined)
  expect(first.node).toMatch(/^[A-Za-z0-9-]{1,54}-[0-9a-f]{8}$/)
  expect((await auditFolders(state, undefined)).node).toBe(first.node)
  expect((await auditFolders(state, 'pod-7')).node).toBe('pod-7')
  expect((await auditFolders(temporaryFolder(), undefined)).node).not.toBe(first.node)
})
