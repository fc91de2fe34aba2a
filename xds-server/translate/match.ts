import type { Method } from '../../policies/define.ts'
import type { HeaderMatcher } from '../../protos/gen/envoy/config/route/v3/HeaderMatcher.ts'
import type { RouteMatch } from '../../protos/gen/envoy/config/route/v3/RouteMatch.ts'

/** What `*` of a definition stands for; everything else is the edge's own, or no method that ext-authz knows. */
const EVERY_METHOD = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** How Envoy recognises a path pattern. All three forms ignore the query string. */
export function pathMatch(pattern: string): RouteMatch {
  if (pattern === '/*') return { prefix: '/' }
  const below = pattern.endsWith('/*')
  const path = below ? pattern.slice(0, -2) : pattern
  if (!path.includes('{')) return below ? { path_separated_prefix: path } : { path }
  return { safe_regex: { regex: `${path.split('/').map(segment).join('/')}${below ? '(?:/.*)?' : ''}` } }
}

function segment(text: string): string {
  return text.startsWith('{') ? '[^/]+' : escaped(text)
}

/** A literal as RE2 reads it. */
export function escaped(literal: string): string {
  return literal.replace(/[.*+?^$()|[\]{}\\]/g, '\\$&')
}

/** The methods a route of a definition answers: GET serves HEAD (RFC 9110 §9.3.2). */
export function answeredMethods(methods: readonly Method[]): readonly string[] {
  if (methods.includes('*')) return EVERY_METHOD
  return methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
}

/** One of these methods. */
export function methodIs(methods: readonly string[]): HeaderMatcher {
  return headerIs(':method', methods)
}

/** A header with exactly one of these values. */
export function headerIs(name: string, values: readonly string[]): HeaderMatcher {
  const [only, ...others] = values
  if (only !== undefined && others.length === 0) return { name, string_match: { exact: only } }
  return { name, string_match: { safe_regex: { regex: values.map(escaped).join('|') } } }
}

/** A header that is there and not empty. */
export function headerIsGiven(name: string): HeaderMatcher {
  return { name, string_match: { safe_regex: { regex: '.+' } } }
}
