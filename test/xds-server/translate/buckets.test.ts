import fc from 'fast-check'
import { expect, test } from 'vitest'
import { comparePaths, matchPath, sameShape } from '../../../policies/precedence.ts'
import { buckets } from '../../../xds-server/translate/buckets.ts'
import { routeConfiguration } from '../../../xds-server/translate/routes.ts'
import { gateway, route } from './compiled.ts'
import { envoyTakes } from './envoy-match.ts'
import { pattern, query, requestPath } from './paths.ts'

const patterns = fc.uniqueArray(pattern, { minLength: 1, maxLength: 120, comparator: sameShape, size: 'max' })
const cases = patterns.chain((all) =>
  fc.record({ all: fc.constant(all), asked: fc.array(fc.tuple(requestPath(all), query), { minLength: 20 }) }),
)

test('the first match in the bucket that Envoy looks up is the first match of the definitions', () => {
  fc.assert(
    fc.property(cases, ({ all, asked }) => {
      const configuration = routeConfiguration('public', [gateway(all.map((each) => route(each)))], 'https://e.test/')
      for (const [path, after] of asked) {
        const best = all.filter((each) => matchPath(each, path)).sort(comparePaths)[0]
        const takes = (method: string) => envoyTakes(configuration, { method, path: path + after })?.name
        expect(takes('GET'), path + after).toBe(best === undefined ? undefined : `shop/read ${best}`)
        expect(takes('PUT'), path + after).toBe(best === undefined ? undefined : 'method-not-allowed')
      }
    }),
    { numRuns: 120 },
  )
})

test('a literal before a template goes first also where a later literal led into the bucket', () => {
  const literals = ['foa', 'fob', 'foc', 'fod', 'foe'].map((name) => `/q/${name}`)
  const others = ['x', 'y', 'z'].map((name) => `/q/${name}`)
  const all = ['/{x}/foo', '/q/{y}', ...literals, ...others]
  const configuration = routeConfiguration('public', [gateway(all.map((each) => route(each)))], 'https://e.test/')
  expect(envoyTakes(configuration, { method: 'GET', path: '/q/foo' })?.name).toBe('shop/read /q/{y}')
})

/** The buckets of patterns with `each` routes apiece. */
function cut(paths: readonly string[], each = 2) {
  const inOrder = paths.toSorted(comparePaths)
  return buckets(inOrder.map((path) => ({ path, routes: Array.from({ length: each }, () => ({ name: path })) })))
}

const held = (made: ReturnType<typeof cut>) => made.reduce((sum, { routes }) => sum + routes.length, 0)
const longest = (made: ReturnType<typeof cut>) => Math.max(...made.map(({ routes }) => routes.length))
const numbers = (length: number) => Array.from({ length }, (_, index) => `r${index}`)

test('the copies stay within their bound, whatever the definitions', () => {
  fc.assert(
    fc.property(patterns, fc.integer({ min: 1, max: 40 }), (all, each) => {
      expect(held(cut(all, each))).toBeLessThanOrEqual(13 * each * all.length)
    }),
  )
  const nested = numbers(600).map((_, depth) => `/${'a/'.repeat(depth)}a`)
  const open = numbers(60).map((_, depth) => `/${'{x}/'.repeat(depth)}*`)
  expect(held(cut([...nested, ...open]))).toBeLessThanOrEqual(13 * 2 * 660)
  const meeting = numbers(300).flatMap((name) => [`/${name}/{x}`, `/{x}/${name}`])
  expect(held(cut(meeting))).toBeLessThanOrEqual(13 * 2 * 600)
})

test.each([
  ['beside each other', (name: string) => [`/api/${name}`, `/api/${name}/{id}`]],
  ['below templates', (name: string) => [`/api/${name}/{id}/parts`, `/api/${name}/{id}/parts/{part}`]],
  ['each with all below', (name: string) => [`/${name}/*`]],
])('a walk does not grow with the number of routes: %s', (_, paths) => {
  const few = cut(['/*', '/{x}', ...numbers(200).flatMap(paths)])
  const many = cut(['/*', '/{x}', ...numbers(5_000).flatMap(paths)])
  expect(longest(many)).toBeLessThanOrEqual(Math.max(longest(few), 32))
})

test('routes without anything are one bucket without routes, for Envoy takes no empty map', () => {
  expect(cut([])).toEqual([{ prefix: '/', routes: [] }])
})
