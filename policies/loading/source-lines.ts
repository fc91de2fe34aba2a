import type { CallExpression, Expression, Node, ObjectExpression, Property, SpreadElement } from 'acorn'
import type { PropertyPath } from './plain-data.ts'
import type { Source } from './source.ts'
import type { Spot } from './source-frame.ts'

/** One step of a property path: a property has a key, a list entry and an argument have none. */
interface Step {
  readonly key?: Node
  readonly value: Expression | SpreadElement
}

/** How the builders of define.ts lay their arguments out as fields; other fields come from an object argument. */
const ROUTE = { first: 'path', told: 'method' } as const
const UPSTREAM = { first: 'address', told: 'tls' } as const
const BUILDERS: ReadonlyMap<string, { readonly first?: string; readonly told: string }> = new Map([
  ...['get', 'post', 'put', 'patch', 'del', 'all'].map((name) => [name, ROUTE] as const),
  ...['http', 'https'].map((name) => [name, UPSTREAM] as const),
  ['open', { first: 'reason', told: 'kind' }],
  ['jwt', { told: 'kind' }],
])

/** A name that stands for a name: more hops than this are a circle. */
const MAX_HOPS = 20

/**
 * The place of the value at `path` in an export, or of its key. Where the text does not spell the value out (a spread,
 * a computed key, a function of the author's), it is the nearest text that does.
 */
export function locate(source: Source, exported: string, path: PropertyPath, part: 'key' | 'value' = 'value'): Spot {
  const root = source.exports.get(exported)
  if (root === undefined) return { line: 1, column: 1, endColumn: 1 }
  let at: Step = { value: root }
  for (const key of path) {
    const next = step(source, at.value, key)
    if (next === undefined) return spotOf(at.value)
    at = next
  }
  return spotOf(part === 'key' ? (at.key ?? at.value) : at.value)
}

/** The first node of one of these kinds in reading order, such as a loop or an import. */
export function firstNode(source: Source, fits: (node: Node) => boolean): Spot | undefined {
  const rest: unknown[] = [source.tree]
  while (rest.length > 0) {
    const next = rest.pop()
    if (Array.isArray(next)) rest.push(...next.toReversed())
    else if (isNode(next)) {
      if (fits(next)) return spotOf(next)
      rest.push(
        ...Object.values(next)
          .filter((part) => typeof part === 'object')
          .toReversed(),
      )
    }
  }
  return undefined
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

function step(source: Source, from: Expression | SpreadElement, key: string | number): Step | undefined {
  const node = resolved(source, from)
  switch (node.type) {
    case 'ObjectExpression':
      return property(source, node, key)
    case 'ArrayExpression':
      return typeof key === 'number' ? entry(node.elements, key) : undefined
    case 'CallExpression':
      return argument(source, node, key)
    default:
      return undefined
  }
}

/** Follows names to what they were declared as. */
function resolved(source: Source, from: Expression | SpreadElement): Expression | SpreadElement {
  let node = from
  for (let hops = 0; hops < MAX_HOPS && node.type === 'Identifier'; hops++) {
    const declared = source.declarations.get(node.name)
    if (declared === undefined) break
    node = declared
  }
  return node
}

/** The last property of that name wins, as it does when the object is made. */
function property(source: Source, object: ObjectExpression, key: string | number): Step | undefined {
  const { named, unclear } = membersOf(object)
  const own = named.get(String(key))
  for (const member of unclear) {
    if (member.type !== 'SpreadElement' || member.start < (own?.start ?? 0)) continue
    const inside = step(source, member.argument, key)
    if (inside !== undefined) return inside
  }
  if (own !== undefined) return own
  const [last] = unclear
  return last?.type === 'SpreadElement' ? { value: last } : last
}

interface Members {
  readonly named: ReadonlyMap<string, Property>
  /** Spreads and computed keys, the last one first. */
  readonly unclear: readonly (Property | SpreadElement)[]
}

/** Of each object once: a gateway of ten thousand routes is looked into ten thousand times. */
const MEMBERS = new WeakMap<ObjectExpression, Members>()

function membersOf(object: ObjectExpression): Members {
  const known = MEMBERS.get(object)
  if (known !== undefined) return known
  const named = new Map<string, Property>()
  const unclear: (Property | SpreadElement)[] = []
  for (const member of object.properties) {
    const name = member.type === 'SpreadElement' ? undefined : keyName(member)
    if (member.type === 'SpreadElement' || name === undefined) unclear.unshift(member)
    else named.set(name, member)
  }
  const members = { named, unclear }
  MEMBERS.set(object, members)
  return members
}

function keyName({ key, computed }: Property): string | undefined {
  if (key.type === 'Literal') return String(key.value)
  return key.type === 'Identifier' && !computed ? key.name : undefined
}

function entry(elements: readonly (Expression | SpreadElement | null)[], index: number): Step | undefined {
  const spread = elements.slice(0, index + 1).find((element) => element?.type === 'SpreadElement')
  const value = spread ?? elements[index]
  return value === undefined || value === null ? undefined : { value }
}

function argument(source: Source, call: CallExpression, key: string | number): Step | undefined {
  const name = call.callee.type === 'Identifier' ? call.callee.name : ''
  const builder = BUILDERS.get(name)
  // The list of jwt(…) is its arguments: `issuers` stays at the call, the index after it picks one.
  if (typeof key === 'number') return entry(call.arguments, key)
  if (name === 'jwt' && key === 'issuers') return { value: call }
  const [first] = call.arguments
  if (builder?.first === key && first !== undefined) return { value: first }
  if (builder?.told === key && call.callee.type === 'Identifier') return { value: call.callee }
  for (const candidate of call.arguments.toReversed()) {
    const inside = step(source, candidate, key)
    if (inside !== undefined) return inside
  }
  return undefined
}

function spotOf({ loc, start, end }: Node): Spot {
  if (!loc) return { line: 1, column: 1, endColumn: 1 }
  const oneLine = loc.start.line === loc.end.line
  const column = loc.start.column + 1
  return { line: loc.start.line, column, endColumn: oneLine ? column + (end - start) : column + 1 }
}
