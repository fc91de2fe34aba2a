import type { AuditMark } from './decision.ts'

/** Wire types and numbers of `CheckResponse.dynamic_metadata` (4), `Struct.fields` (1), of a map's key and value, `Value.string_value` (3). */
const METADATA = '\x22'
const ENTRY = '\x0a'
const KEY = '\x0a'
const VALUE = '\x12'
const STRING = '\x1a'
/** Above this a length takes two bytes. */
const MAX_LENGTH = 0x7f

/**
 * The mark that names a decision's event, as bytes (one character each) to put after those of a CheckResponse: fields of a protobuf
 * message may follow in any order, so a remembered answer need not be encoded anew. Envoy's log then says which decision it used.
 */
export function eventMark(event: string): string {
  // All that comes before the value follows from its length.
  const opening = openings[event.length]
  if (opening !== undefined) return opening + event
  const whole = mark('event', event)
  openings[event.length] = whole.slice(0, whole.length - event.length)
  return whole
}

/** By the length of the event id, which is bounded by what {@link field} takes. */
const openings: string[] = []

/** The mark of an answer whose decision was not written. */
export const AUDIT_MARKS: Readonly<Record<NonNullable<AuditMark['audit']>, string>> = {
  skipped: mark('audit', 'skipped'),
  refused: mark('audit', 'refused'),
}

function mark(name: keyof AuditMark, value: string): string {
  return field(METADATA, field(ENTRY, field(KEY, name) + field(VALUE, field(STRING, value))))
}

function field(tag: string, content: string): string {
  if (content.length > MAX_LENGTH)
    throw new Error(`an audit mark of ${content.length} bytes; at most ${MAX_LENGTH} fit`)
  return tag + String.fromCharCode(content.length) + content
}
