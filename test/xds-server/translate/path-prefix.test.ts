import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchPath, segmentsOf } from '../../../policies/precedence.ts'
import { pathPrefix, reaches, textAfter } from '../../../xds-server/translate/path-prefix.ts'
import { pattern, requestPath } from './paths.ts'

/** Every text with which a path begins: `/a` → `/`, `/a`. */
const beginnings = (path: string) => Array.from(path, (_, index) => path.slice(0, index + 1))

const patternAndPath = pattern.chain((each) => fc.tuple(fc.constant(each), requestPath([each])))

test('a pattern reaches every beginning of a path that it matches, and the text after it follows there', () => {
  fc.assert(
    fc.property(patternAndPath, ([each, asked]) => {
      fc.pre(matchPath(each, asked))
      for (const prefix of beginnings(asked).map(pathPrefix)) {
        expect(reaches(segmentsOf(each), prefix), prefix.text).toBe(true)
        expect(asked.startsWith(prefix.text + textAfter(segmentsOf(each), prefix)), prefix.text).toBe(true)
      }
    }),
    { numRuns: 2_000 },
  )
})

test.each([
  ['/a', '/a', ''],
  ['/ab', '/a', 'b'],
  ['/a/b', '/a', '/b'],
  ['/a/{x}', '/', 'a/'],
  ['/a/{x}', '/a/', ''],
  ['/a/{x}/b', '/a/c', ''],
  ['/a/{x}/b', '/a/c/', 'b'],
  ['/a/b/*', '/a', '/b'],
  ['/a/*', '/a', ''],
  ['/*', '/a/b', ''],
])('%s below %s is followed by %j', (each, prefix, text) => {
  expect(reaches(segmentsOf(each), pathPrefix(prefix))).toBe(true)
  expect(textAfter(segmentsOf(each), pathPrefix(prefix))).toBe(text)
})

test.each([
  ['/a', '/a/'],
  ['/a', '/ab'],
  ['/a/*', '/ab'],
  ['/a/b', '/b'],
  ['/{x}', '/a/'],
  ['/', '/a'],
])('%s matches nothing below %s', (each, prefix) => {
  expect(reaches(segmentsOf(each), pathPrefix(prefix))).toBe(false)
})
