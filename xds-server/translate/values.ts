/** A `google.protobuf.Duration` from milliseconds. */
export function duration(milliseconds: number): { seconds: string; nanos: number } {
  const seconds = Math.trunc(milliseconds / 1_000)
  return { seconds: String(seconds), nanos: Math.round((milliseconds - seconds * 1_000) * 1_000_000) }
}

/** A wrapped number or boolean (`UInt32Value`, `UInt64Value`, `BoolValue`): absent and zero are different things to Envoy. */
export function wrapped<const T>(value: T): { value: T } {
  return { value }
}

/** What may stand in a `google.protobuf.Struct`. */
export type Json = string | number | boolean | { readonly [key: string]: Json }

interface Value {
  stringValue?: string
  numberValue?: number
  boolValue?: boolean
  structValue?: Struct
}

/** A `google.protobuf.Struct` as proto-loader encodes it: it drops plain objects silently. */
export interface Struct {
  fields: Record<string, Value>
}

/** A `google.protobuf.Struct` from a plain object. */
export function struct(members: Readonly<Record<string, Json>>): Struct {
  return { fields: Object.fromEntries(Object.entries(members).map(([name, member]) => [name, value(member)])) }
}

function value(member: Json): Value {
  if (typeof member === 'string') return { stringValue: member }
  if (typeof member === 'number') return { numberValue: member }
  if (typeof member === 'boolean') return { boolValue: member }
  return { structValue: struct(member) }
}
