import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allowedMethods, comparePaths, matchPath, sameShape } from '../../policies/precedence.ts'

const word = fc.constantFrom('a', 'b', 'c')
const patternSegment = fc.oneof(word, fc.constantFrom('{x}', '{y}'))
const pattern = fc
  .tuple(fc.array(patternSegment, { maxLength: 4 }), fc.boolean())
  .map(([segments, open]) => `/${[...segments, ...(open ? ['*'] : [])].join('/')}`)
const path = fc
  .array(fc.oneof({ weight: 9, arbitrary: word }, { weight: 1, arbitrary: fc.constant('') }), { maxLength: 5 })
  .map((segments) => `/${segments.join('/')}`)

/** Written apart from the code under test: per segment 0 for the end, 1 literal, 2 template, 3 for what `*` takes. */
function specificity(from: string): string {
  const kinds = from
    .split('/')
    .slice(1)
    .map((segment) => (segment === '*' ? 3 : /^\{/.test(segment) ? 2 : 1))
  return `${kinds.join('')}0`
}

/** Every pattern that matches, by a regular expression made from the words of define.ts. */
function matching(patterns: readonly string[], asked: string): string[] {
  return patterns.filter((each) => {
    const text = each.replace(/\{\w+\}/g, '[^/]+').replace(/\/\*$/, '(?:/.*)?')
    return new RegExp(`^${text}$`).test(asked)
  })
}

test('precedence: the first match in sorted order is the most specific of all matches', () => {
  fc.assert(
    fc.property(fc.uniqueArray(pattern, { maxLength: 30 }), path, (patterns, asked) => {
      const first = patterns.toSorted(comparePaths).find((each) => matchPath(each, asked))
      const candidates = matching(patterns, asked).map(specificity).sort()
      expect(first === undefined ? undefined : specificity(first)).toBe(candidates[0])
    }),
    { numRuns: 2_000 },
  )
})

test('precedence: the reference matcher takes what the words of define.ts say', () => {
  fc.assert(
    fc.property(pattern, path, (each, asked) => {
      // A path is never empty, so `/*` has nothing above itself.
      expect(matchPath(each, asked)).toBe(matching([each], asked).length === 1)
    }),
    { numRuns: 2_000 },
  )
})

test('precedence: the order is total, and ties are patterns of one shape only', () => {
  fc.assert(
    fc.property(pattern, pattern, pattern, (a, b, c) => {
      const shape = (each: string) => each.replaceAll('{y}', '{x}')
      expect(Math.sign(comparePaths(a, b))).toBe(0 - Math.sign(comparePaths(b, a)))
      expect(comparePaths(a, b) === 0).toBe(shape(a) === shape(b))
      if (comparePaths(a, b) <= 0 && comparePaths(b, c) <= 0) expect(comparePaths(a, c)).toBeLessThanOrEqual(0)
    }),
    { numRuns: 2_000 },
  )
})

test('precedence: literal beats template beats *, segment by segment', () => {
  const sorted = ['/*', '/a/*', '/{x}/b', '/a/{x}', '/a', '/a/b', '/{x}', '/'].toSorted(comparePaths)
  expect(sorted).toEqual(['/', '/a', '/a/b', '/a/{x}', '/a/*', '/{x}', '/{x}/b', '/*'])
})

test('precedence: the names of templates do not make a shape', () => {
  expect(sameShape('/agents/{id}', '/agents/{name}')).toBe(true)
  expect(sameShape('/agents/{id}', '/agents/*')).toBe(false)
})

test.each([
  ['/a/*', '/a', true],
  ['/a/*', '/a/', true],
  ['/a/*', '/a/b/c', true],
  ['/a/*', '/ab', false],
  ['/a/{id}', '/a/', false],
  ['/a/{id}', '/a/b/', false],
  ['/a', '/A', false],
])('matchPath(%s, %s) is %s', (each, asked, expected) => {
  expect(matchPath(each, asked)).toBe(expected)
})

test('405: Allow lists the methods of a shape, HEAD with GET, OPTIONS always (RFC 9110)', () => {
  expect(allowedMethods([{ methods: ['DELETE'] }, { methods: ['GET'] }])).toEqual(['GET', 'HEAD', 'DELETE', 'OPTIONS'])
  expect(allowedMethods([{ methods: ['POST'] }])).toEqual(['POST', 'OPTIONS'])
  expect(allowedMethods([{ methods: ['*'] }])).toEqual(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
})
