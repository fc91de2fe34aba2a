import type { Method } from '../define.ts'
import { isTemplate, segmentsOf } from '../precedence.ts'

/** What a route is about and what it does there: the halves of its permission (AZ-1). */
export interface ResourceAction {
  /** Undefined: the path starts with no literal segment to take it from. */
  readonly resource?: string
  /** Undefined: a route for all methods does nothing in particular. */
  readonly action?: string
  /** Index in the path of the segment with the resource's id. */
  readonly idSegment?: number
}

const ACTIONS: Readonly<Record<Exclude<Method, '*'>, string>> = {
  GET: 'read',
  POST: 'create',
  PUT: 'update',
  PATCH: 'update',
  DELETE: 'delete',
}

/**
 * The default mapping of AZ-2: the resource is the first segment after the prefix, the action follows from the method,
 * and `POST …/deployments` deploys. What a route says itself goes first. `path` is relative to the gateway's prefix.
 */
export function resourceAction(route: {
  readonly method: Method
  readonly path: string
  readonly resource?: string
  readonly action?: string
}): ResourceAction {
  const segments = segmentsOf(route.path)
  const [first = ''] = segments
  const literal = first !== '' && first !== '*' && !isTemplate(first)
  const resource = route.resource ?? (literal ? first : undefined)
  const action = route.action ?? defaultAction(route.method, segments)
  const idSegment = idIndex(segments, resource)
  return {
    ...(resource === undefined ? {} : { resource }),
    ...(action === undefined ? {} : { action }),
    ...(idSegment === undefined ? {} : { idSegment }),
  }
}

function defaultAction(method: Method, segments: readonly string[]): string | undefined {
  if (method === '*') return undefined
  return method === 'POST' && segments.at(-1) === 'deployments' ? 'deploy' : ACTIONS[method]
}

/** The template right behind the resource's own segment; the first of all where the path does not name the resource. */
function idIndex(segments: readonly string[], resource: string | undefined): number | undefined {
  const named = resource === undefined ? -1 : segments.indexOf(resource)
  const index = named === -1 ? segments.findIndex(isTemplate) : named + 1
  const segment = segments[index]
  return segment !== undefined && isTemplate(segment) ? index : undefined
}
