import { segmentsOf } from '../../precedence.ts'
import { type Finding, shown, text } from '../reading.ts'

type Judgement = Omit<Finding, 'path'> | undefined

const EXPECTED = 'segments of letters, digits and -._~, {names}, and * only at the end: "/agents/{id}"'
const MAX_LENGTH = 1_024

/** What the gateway answers itself; routes stay out of it. */
const RESERVED = '/.sallyport'

/** A route's path relative to its gateway's prefix. */
export const routePath = text(EXPECTED, (value) => judge(value, { templates: true }))

/** A literal path in front of others: a gateway's prefix, or what is stripped before the upstream. Not `/`. */
export const literalPath = text('a literal path without a slash at the end: "/api/v1"', (value) =>
  value === '/'
    ? { code: 'SP2012', message: '"/" is in front of every path anyway', suggestion: 'leave it out' }
    : judge(value, { templates: false }),
)

/** Whether a full path, prefix included, is the gateway's own (`/.sallyport/…`). */
export function isReserved(path: string): boolean {
  return path === RESERVED || path.startsWith(`${RESERVED}/`)
}

function judge(path: string, allow: { readonly templates: boolean }): Judgement {
  if (!path.startsWith('/')) return wrong(`${shown(path)} does not start with /`, `write ${shown(`/${path}`)}`)
  if (path.length > MAX_LENGTH) return wrong(`it is longer than ${MAX_LENGTH} characters`)
  if (isReserved(path)) return { code: 'SP2013', message: `${RESERVED}/ belongs to the gateway itself` }
  if (path === '/') return undefined
  const segments = segmentsOf(path)
  const names = segments.filter((segment) => segment.startsWith('{'))
  const twice = names.find((name, index) => names.indexOf(name) < index)
  if (twice !== undefined) return wrong(`${twice} is used twice`, 'give each template its own name')
  return segments
    .map((segment, index) => judgeSegment(segment, index === segments.length - 1, allow.templates))
    .find((finding) => finding !== undefined)
}

function judgeSegment(segment: string, last: boolean, templates: boolean): Judgement {
  if (segment === '') return emptySegment(last)
  if (segment === '.' || segment === '..') return wrong(`a client cannot ask for ${shown(segment)}: Envoy resolves it`)
  if (segment === '*' && templates) return last ? undefined : wrong('* is only allowed at the end', 'use a {name} here')
  if (/^\{[a-z][a-z0-9_]{0,39}\}$/i.test(segment) && templates) return undefined
  if (/^[A-Za-z0-9._~-]+$/.test(segment)) return undefined
  if (segment.startsWith(':'))
    return wrong(`${shown(segment)} is no template`, `write ${shown(`{${segment.slice(1)}}`)}`)
  return wrong(`${shown(segment)} is not a segment`)
}

function emptySegment(last: boolean): Judgement {
  if (last) return wrong('a path does not end with /', 'remove the slash at the end')
  return wrong('a path holds no //: Envoy merges slashes', 'remove one slash')
}

function wrong(message: string, suggestion?: string): Judgement {
  return { code: 'SP2012', message, ...(suggestion === undefined ? {} : { suggestion }) }
}
