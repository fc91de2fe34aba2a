import { isTemplate } from '../../policies/precedence.ts'

/**
 * A text with which paths begin, character by character as Envoy's prefix map compares: it may end inside a segment. Cut once, for
 * it is held against every pattern.
 */
export interface PathPrefix {
  readonly text: string
  /** The segments that it holds in full. */
  readonly whole: readonly string[]
  /** What it holds of the segment after them: a beginning, or nothing. */
  readonly begun: string
}

/** A prefix from its text, which starts with `/`. */
export function pathPrefix(text: string): PathPrefix {
  const segments = text.slice(1).split('/')
  return { text, whole: segments.slice(0, -1), begun: segments.at(-1) ?? '' }
}

/** Whether the pattern with these segments matches any path that begins with the prefix. */
export function reaches(segments: readonly string[], { whole, begun }: PathPrefix): boolean {
  for (const [index, given] of whole.entries()) {
    const wanted = segments[index]
    if (wanted === undefined) return false
    if (wanted === '*') return true
    if (isTemplate(wanted) ? given === '' : wanted !== given) return false
  }
  const next = segments[whole.length]
  return next !== undefined && (!isLiteral(next) || next.startsWith(begun))
}

/**
 * The text that follows the prefix in every path that the pattern matches and the prefix begins: up to a template, a final `*` or
 * the end. Empty where several characters, or none, may follow. The pattern must reach the prefix.
 */
export function textAfter(segments: readonly string[], { whole, begun }: PathPrefix): string {
  const left = segments.slice(whole.length)
  const open = left.findIndex((segment) => !isLiteral(segment))
  const literals = open === -1 ? left : left.slice(0, open)
  // A final `*` also takes the path above itself, so that nothing must follow; a template is never empty.
  const separator = open > 0 && left[open] !== '*' ? '/' : ''
  return `${literals.join('/')}${separator}`.slice(begun.length)
}

function isLiteral(segment: string): boolean {
  return segment !== '*' && !isTemplate(segment)
}
