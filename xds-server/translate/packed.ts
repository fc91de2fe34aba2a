import type { AnyMessage } from '../../protos/any.ts'
import type { Any, Any__Output } from '../../protos/gen/google/protobuf/Any.ts'

/** The generated types of an Any also allow the loader's `@type` objects; ours are packed, anything else is undefined. */
export function packedOf(packed: Any | Any__Output | null | undefined): AnyMessage | undefined {
  if (packed === undefined || packed === null || !('type_url' in packed)) return undefined
  const { type_url, value } = packed
  return typeof type_url === 'string' && Buffer.isBuffer(value) ? { type_url, value } : undefined
}
