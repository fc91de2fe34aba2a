import type { MessageName, Messages, Outputs } from './gen/messages.ts'
import { decode, encode } from './xds.ts'

/** A `google.protobuf.Any` whose bytes are made: nothing is encoded again when it is sent. */
export interface AnyMessage {
  readonly type_url: string
  readonly value: Buffer
}

/** Full names of the messages that our subset has. */
export type { MessageName } from './gen/messages.ts'

const PREFIX = 'type.googleapis.com/'

/** The type URL of a message, as xDS and Any carry it. */
export function typeUrl<N extends MessageName>(name: N): `type.googleapis.com/${N}` {
  return `${PREFIX}${name}`
}

/** The one way to make an Any: typed by the message's full name, refused where a field is unknown. */
export function any<N extends MessageName>(name: N, message: Messages[N]): AnyMessage {
  return { type_url: typeUrl(name), value: encode(name, message) }
}

/** What an Any holds, read as the type that the caller expects; throws when it holds another. */
export function unpack<N extends MessageName>(
  name: N,
  packed: { readonly type_url?: string | undefined; readonly value?: Uint8Array | undefined },
): Outputs[N] {
  if (packed.type_url !== typeUrl(name)) throw new Error(`expected an Any of ${name}, got ${packed.type_url}`)
  return decode(name, packed.value ?? new Uint8Array())
}
