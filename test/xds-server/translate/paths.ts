import fc from 'fast-check'

/** Literals that begin each other, so that many prefixes end inside a segment. */
const literal = fc.constantFrom('a', 'ab', 'abc', 'b', 'a.b', 'ba')

/** A pattern of a definition, of up to five segments. */
export const pattern = fc
  .tuple(
    fc.array(fc.oneof({ weight: 5, arbitrary: literal }, { weight: 1, arbitrary: fc.constant('{x}') }), {
      maxLength: 5,
    }),
    fc.boolean(),
  )
  .map(([segments, open]) => `/${[...segments, ...(open ? ['*'] : [])].join('/')}`)

/**
 * A path without query: of any segments, or close to one of the patterns: a template filled, then a character or segment more or less.
 */
export function requestPath(patterns: readonly string[]): fc.Arbitrary<string> {
  const segment = fc.oneof(literal, fc.constantFrom('', 'c', 'a-', 'abcd', 'a;b', '%61', '{x}', '*'))
  const free = fc.array(segment, { maxLength: 6 }).map((segments) => `/${segments.join('/')}`)
  if (patterns.length === 0) return free
  const filled = fc
    .tuple(fc.constantFrom(...patterns), segment, segment)
    .map(([each, template, rest]) => each.replaceAll('{x}', template).replaceAll('*', rest))
  const changed = fc
    .tuple(filled, fc.constantFrom('', '/', 'b', '/a', '/x/y'), fc.nat({ max: 2 }))
    .map(([path, more, less]) => `${path.slice(0, Math.max(1, path.length - less))}${more}`)
  return fc.oneof(free, changed)
}

/** What may follow a path in `:path`. */
export const query = fc.constantFrom('', '?', '?a=/b/c', '?/', '?x=1&y=/a/ab?z', '?*')
