import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CLUSTER, ENDPOINTS, LISTENER, ROUTES, type Snapshot, type TypeUrl } from '../../../xds-server/snapshot.ts'
import { snapshotOf } from './loaded.ts'
import { encodedAgain, readable } from './readable.ts'
import { validate } from './validate.ts'

const GOLDEN = 'test/golden/features'
const FEATURES = join(GOLDEN, 'in')

/** The readable file of each resource type. Secrets have none: they are secret. */
const FILES: Readonly<Record<string, TypeUrl>> = {
  'out.listeners.json': LISTENER,
  'out.routes.json': ROUTES,
  'out.clusters.json': CLUSTER,
  'out.endpoints.json': ENDPOINTS,
}

test('the translation is the golden one (UPDATE_GOLDEN=1 rewrites it)', async () => {
  const snapshot = await snapshotOf(FEATURES)
  if (process.env['UPDATE_GOLDEN'] === '1') await rewrite(snapshot)
  for (const [file, type] of Object.entries(FILES)) {
    expect(asText(snapshot, type), file).toBe(await readFile(join(GOLDEN, file), 'utf8'))
  }
  expect((await outputs()).toSorted()).toEqual(Object.keys(FILES).toSorted())
})

describe.each([FEATURES, 'policies/gateways'])('%s', (folder) => {
  test('every resource decodes to what was encoded', async () => {
    const { resources } = await snapshotOf(folder)
    for (const { name, body } of [...resources.values()].flatMap((named) => [...named.values()])) {
      expect(encodedAgain(body).equals(body.value), `${body.type_url} ${name}`).toBe(true)
    }
  })

  test('C42 the same definitions give the same revision', async () => {
    expect((await snapshotOf(folder)).revision).toBe((await snapshotOf(folder)).revision)
  })

  test('Envoy accepts the whole snapshot', async () => {
    expect(await validate(await snapshotOf(folder))).toContain('OK')
  })
})

test('Envoy’s validation refuses what is broken', async () => {
  const snapshot = await snapshotOf(FEATURES)
  expect(await validate(snapshot, (json) => json.replace('/api/items/[^/]+', '/api/items/[^/+'))).toContain('missing ]')
})

function asText(snapshot: Snapshot, type: TypeUrl): string {
  const named = [...(snapshot.resources.get(type)?.values() ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
  const entries = named.map(({ name, needs, origin, body }) => [name, { needs, origin, message: readable(body) }])
  return `${JSON.stringify(Object.fromEntries(entries), undefined, 1)}\n`
}

async function outputs(): Promise<string[]> {
  return (await readdir(GOLDEN)).filter((file) => file.startsWith('out.'))
}

async function rewrite(snapshot: Snapshot): Promise<void> {
  for (const stale of await outputs()) await rm(join(GOLDEN, stale))
  for (const [file, type] of Object.entries(FILES)) await writeFile(join(GOLDEN, file), asText(snapshot, type))
}
