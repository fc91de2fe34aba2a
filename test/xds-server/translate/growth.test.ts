import { expect, test } from 'vitest'
import { ROUTES } from '../../../xds-server/snapshot.ts'
import { translate } from '../../../xds-server/translate/snapshot.ts'
import { gateway, listener, route } from './compiled.ts'

const OPTIONS = { problemBase: 'https://e.test/', caFile: '/etc/ssl/certs/ca-certificates.crt' }
const NOUNS = ['agents', 'audit', 'devices', 'orders', 'plants', 'reports', 'settings', 'sites', 'tasks', 'users']

/** Four routes on each of ten resources of every project, below two catch-alls: `count` and two routes. */
function project(index: number): string[] {
  const base = `/projects-${index}/v1`
  return NOUNS.flatMap((noun) => ['', '/search', '/{id}', '/{id}/*'].map((rest) => `${base}/${noun}${rest}`))
}

function measured(count: number): { milliseconds: number; bytes: number } {
  const paths = ['/*', '/{project}/about', ...Array.from({ length: count / 40 }, (_, index) => project(index)).flat()]
  const definitions = { listeners: [listener()], gateways: [gateway(paths.map((path) => route(path)))] }
  const start = performance.now()
  const { resources } = translate(definitions, new Map(), OPTIONS)
  const milliseconds = Math.round(performance.now() - start)
  return { milliseconds, bytes: resources.get(ROUTES)?.get('public')?.body.value.length ?? 0 }
}

test('the route configuration grows with the number of routes, not faster', () => {
  const [few, many] = [measured(1_000), measured(10_000)]
  process.stdout.write(`translate: 1,000 routes ${shown(few)}; 10,000 routes ${shown(many)}\n`)
  expect(many.bytes / few.bytes).toBeLessThan(11)
  expect(few.bytes).toBeGreaterThan(0)
})

function shown({ milliseconds, bytes }: ReturnType<typeof measured>): string {
  return `${milliseconds} ms, ${Math.round(bytes / 1_000)} kB`
}
