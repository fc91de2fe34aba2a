import type { FieldShape, MessageShape } from './shape.ts'

/** Gives the shape of a message by its full name. */
export type ShapeOf = (name: string) => MessageShape

/**
 * The message with the keys of its maps sorted, ready to encode; parts without maps are passed on as they are, not copied. Throws,
 * naming the path, where protobufjs would silently write something else: a field or enum member that is not in our subset, two
 * fields of one oneof, a number that its type cannot hold, text where bytes belong (facts/xds.md §6).
 */
export function checked(name: string, message: object, shapeOf: ShapeOf): object {
  const path: string[] = []
  try {
    return checkedMessage({ ...message }, shapeOf(name), { path, shapeOf })
  } catch (error) {
    if (error instanceof Unfit) throw new Error(`${[name, ...path].join('.')}: ${error.message}`)
    throw error
  }
}

class Unfit extends Error {}

type Parts = Readonly<Record<string, unknown>>

/** `path` leads to the value in hand. It is pushed and popped: encoding runs per request, where a string per field shows. */
interface Walk {
  readonly path: string[]
  readonly shapeOf: ShapeOf
}

function checkedMessage(message: Parts, shape: MessageShape, walk: Walk): Parts {
  let result = message
  let taken: Set<string> | undefined
  for (const key of Object.keys(message)) {
    const member = message[key]
    if (member === undefined || member === null) continue
    walk.path.push(key)
    const field = shape.fields.get(key) ?? oneofName(key, member, message, shape)
    if (field.oneof !== undefined) taken = taking(field.oneof, taken)
    const fit = checkedField(member, field, walk)
    if (fit !== member) result = { ...result, [key]: fit }
    walk.path.pop()
  }
  return result
}

/** Decoded messages say, under a oneof's name, which of its fields is set; protobufjs skips that when it encodes. */
const ONEOF_NAME: FieldShape = { map: false, kind: 'string' }

function oneofName(key: string, says: unknown, message: Parts, shape: MessageShape): FieldShape {
  if (!shape.oneofs.has(key)) {
    throw new Unfit('not a field of our protobuf subset; correct the name, or declare the field under protos/')
  }
  if (typeof says !== 'string' || !Object.hasOwn(message, says)) {
    throw new Unfit(
      `a oneof that says ${JSON.stringify(says)}, which is not set; leave it out, the set field is enough`,
    )
  }
  return ONEOF_NAME
}

function taking(oneof: string, taken: Set<string> | undefined): Set<string> {
  if (taken?.has(oneof)) throw new Unfit(`another field of the oneof ${oneof} is set too; set one`)
  return (taken ?? new Set()).add(oneof)
}

function checkedField(value: unknown, field: FieldShape, walk: Walk): unknown {
  if (Array.isArray(value)) return checkedList(value, field, walk)
  return field.map ? sortedMap(value, field, walk) : checkedValue(value, field, walk)
}

function checkedList(list: readonly unknown[], field: FieldShape, walk: Walk): readonly unknown[] {
  let result: unknown[] | undefined
  for (const [at, item] of list.entries()) {
    walk.path.push(String(at))
    const fit = checkedValue(item, field, walk)
    if (fit !== item) {
      result ??= [...list]
      result[at] = fit
    }
    walk.path.pop()
  }
  return result ?? list
}

function sortedMap(map: unknown, field: FieldShape, walk: Walk): object {
  if (!isObject(map)) throw new Unfit(`a map, got ${JSON.stringify(map)}`)
  // A plain object would list keys such as "10" first, in numeric order: the same for equal input, so the bytes stay equal.
  const sorted: [string, unknown][] = Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1))
  for (const entry of sorted) {
    walk.path.push(entry[0])
    entry[1] = checkedValue(entry[1], field, walk)
    walk.path.pop()
  }
  return Object.fromEntries(sorted)
}

function checkedValue(value: unknown, field: FieldShape, walk: Walk): unknown {
  if (field.message !== undefined && isObject(value)) return checkedMessage(value, walk.shapeOf(field.message), walk)
  if (field.values !== undefined && typeof value === 'string' && !field.values.has(value)) {
    throw new Unfit(`${JSON.stringify(value)} is not a value of this enum; it has ${[...field.values].join(', ')}`)
  }
  if (field.kind === 'bytes' && typeof value === 'string') {
    throw new Unfit('text where bytes belong would be read as base64; pass a Buffer')
  }
  const range = RANGES.get(field.kind)
  if (range !== undefined) checkWhole(value, field.kind, range)
  return value
}

/** Lowest and highest value of each type of whole number. */
const RANGES: ReadonlyMap<string, readonly [bigint, bigint]> = new Map([
  ['int32', [-(2n ** 31n), 2n ** 31n - 1n]],
  ['uint32', [0n, 2n ** 32n - 1n]],
  ['int64', [-(2n ** 63n), 2n ** 63n - 1n]],
  ['uint64', [0n, 2n ** 64n - 1n]],
])

function checkWhole(value: unknown, kind: string, [low, high]: readonly [bigint, bigint]): void {
  if (typeof value === 'object') return // a Long, which is whole by itself
  const whole = typeof value === 'string' ? /^-?\d{1,20}$/.test(value) : Number.isSafeInteger(value)
  const held = whole ? BigInt(String(value)) : undefined
  if (held === undefined || held < low || held > high) {
    throw new Unfit(`${JSON.stringify(value)} is not a whole number that ${kind} holds`)
  }
}

function isObject(value: unknown): value is Parts {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
}
