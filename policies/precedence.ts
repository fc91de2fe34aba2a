import { METHODS, type Method } from './define.ts'

/*
 * Precedence of routes (design.md §3): segment by segment, an end beats a literal, a literal beats a template, a
 * template beats a final `*`. Two patterns that match the same path are alike up to the first segment in which they
 * differ in kind, so that segment decides, and "first match in sorted order" is "the most specific match".
 */
const RANK = { end: 0, literal: 1, template: 2, rest: 3 } as const

type Kind = keyof typeof RANK

/** The segments of a pattern or path: `/agents/{id}` → `agents`, `{id}`; `/` → one empty segment. */
export function segmentsOf(path: string): string[] {
  return path.slice(1).split('/')
}

/** Whether a segment is `{name}`. */
export function isTemplate(segment: string): boolean {
  return segment.startsWith('{')
}

/**
 * Orders full path patterns so that of all patterns that match a path the first is the most specific. Zero only for
 * patterns of the same shape, whatever their templates are called.
 */
export function comparePaths(a: string, b: string): number {
  const left = segmentsOf(a)
  const right = segmentsOf(b)
  for (let index = 0; index <= Math.max(left.length, right.length); index++) {
    const order = compareSegments(left[index], right[index])
    if (order !== 0) return order
  }
  return 0
}

/** Whether two patterns match exactly the same paths. */
export function sameShape(a: string, b: string): boolean {
  return comparePaths(a, b) === 0
}

/**
 * Whether a pattern matches a path without query, both starting with `/`. `{name}` takes one segment that is not empty;
 * a final `*` takes everything below, and the path above itself: `/a/*` matches `/a`, `/a/` and `/a/b/c`, never `/ab`.
 */
export function matchPath(pattern: string, path: string): boolean {
  const wanted = segmentsOf(pattern)
  const given = segmentsOf(path)
  const open = wanted.at(-1) === '*'
  const fixed = open ? wanted.slice(0, -1) : wanted
  if (open ? given.length < fixed.length : given.length !== fixed.length) return false
  return fixed.every((segment, index) => (isTemplate(segment) ? given[index] !== '' : given[index] === segment))
}

/**
 * The `Allow` header of paths of one shape (RFC 9110 §15.5.6): the methods of its routes in the order of
 * {@link METHODS}, HEAD after GET, OPTIONS last. A route for all methods allows each of them.
 */
export function allowedMethods(routes: Iterable<{ readonly methods: readonly Method[] }>): string[] {
  const served = new Set([...routes].flatMap(({ methods }) => methods))
  const named = METHODS.filter((method) => method !== '*' && (served.has(method) || served.has('*')))
  return [...named.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])), 'OPTIONS']
}

function compareSegments(a: string | undefined, b: string | undefined): number {
  const kinds = RANK[kindOf(a)] - RANK[kindOf(b)]
  if (kinds !== 0 || kindOf(a) !== 'literal' || a === b) return kinds
  return (a ?? '') < (b ?? '') ? -1 : 1
}

function kindOf(segment: string | undefined): Kind {
  if (segment === undefined) return 'end'
  if (segment === '*') return 'rest'
  return isTemplate(segment) ? 'template' : 'literal'
}
