import type { AuditRow } from './audit-row.ts'
import { COLUMN_TYPES, COLUMNS, type ColumnType } from './columns.ts'
import { NOT_ENCODABLE, RowRefused } from './errors.ts'

/** A chunk is handed over when it has grown past this, bytes. */
const CHUNK_BYTES = 262_144
/** Room for the row that makes a chunk full, in most cases. */
const SLACK_BYTES = 32_768

/**
 * What a file of COPY's binary format starts with: its signature, no flags, no extension (PostgreSQL manual, "COPY").
 */
const HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const TRAILER = -1
const NULL_LENGTH = -1

/** PostgreSQL counts µs from 2000-01-01. */
const POSTGRES_EPOCH = 946_684_800_000_000
const TEXT_OID = 25
const JSONB_VERSION = 1
const TWO_TO_32 = 4_294_967_296

/**
 * Rows in COPY's binary format, columns in the order of {@link COLUMNS}. Binary, because half of a row is bytes, which
 * text would double.
 * Throws {@link RowRefused} with the row's key where a value does not fit its column's type.
 */
export function* encodeRows(rows: readonly AuditRow[]): Generator<Buffer, void, undefined> {
  let out = new Packer(CHUNK_BYTES + SLACK_BYTES)
  out.raw(HEADER)
  for (const row of rows) {
    encodeRow(out, row)
    if (out.length < CHUNK_BYTES) continue
    yield out.bytes()
    out = new Packer(CHUNK_BYTES + SLACK_BYTES)
  }
  out.int16(TRAILER)
  yield out.bytes()
}

const FIELDS = COLUMNS.map((name) => ({ name, type: COLUMN_TYPES[name] as ColumnType }))

function encodeRow(out: Packer, row: AuditRow): void {
  out.int16(FIELDS.length)
  for (const { name, type } of FIELDS) {
    const value = row[name]
    if (value === undefined) out.int32(NULL_LENGTH)
    else if (!ENCODE[type](out, value)) throw notEncodable(row, name, type)
  }
}

function notEncodable(row: AuditRow, name: string, type: ColumnType): RowRefused {
  const said = `a row's ${name} is no ${type}; what made the row must be corrected`
  return new RowRefused(said, NOT_ENCODABLE, [{ timestamp: row.timestamp, id: row.id }])
}

/** Writes one value with its length; false where it is none of the type. */
const ENCODE: Record<ColumnType, (out: Packer, value: unknown) => boolean> = {
  timestamptz: (out, value) => Number.isSafeInteger(value) && out.sized64(Number(value) - POSTGRES_EPOCH),
  uuid: (out, value) => typeof value === 'string' && out.uuid(value),
  text: (out, value) => typeof value === 'string' && out.text(value),
  'text[]': (out, value) => isTextArray(value) && out.texts(value),
  jsonb: (out, value) => {
    const json = JSON.stringify(value)
    return json !== undefined && out.text(json, JSONB_VERSION)
  },
  boolean: (out, value) => typeof value === 'boolean' && out.sized8(value ? 1 : 0),
  integer: (out, value) => isInt32(value) && out.sized32(value),
  bigint: (out, value) => Number.isSafeInteger(value) && out.sized64(Number(value)),
  'double precision': (out, value) => typeof value === 'number' && out.sizedDouble(value),
  bytea: (out, value) => Buffer.isBuffer(value) && out.sizedRaw(value),
}

const isTextArray = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string')

const isInt32 = (value: unknown): value is number => typeof value === 'number' && (value | 0) === value

/**
 * Bytes that grow while they are written, big-endian. Its `sized…` writers put the length before the value and give
 * true.
 */
class Packer {
  #buffer: Buffer
  length = 0

  constructor(size: number) {
    this.#buffer = Buffer.allocUnsafe(size)
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.length)
  }

  int16(value: number): void {
    this.#room(2)
    this.length = this.#buffer.writeInt16BE(value, this.length)
  }

  int32(value: number): void {
    this.#room(4)
    this.length = this.#buffer.writeInt32BE(value, this.length)
  }

  raw(value: Buffer): void {
    this.#room(value.length)
    this.length += value.copy(this.#buffer, this.length)
  }

  sized8(value: number): true {
    this.int32(1)
    this.#room(1)
    this.length = this.#buffer.writeUInt8(value, this.length)
    return true
  }

  sized32(value: number): true {
    this.int32(4)
    this.int32(value)
    return true
  }

  sized64(value: number): true {
    this.int32(8)
    const high = Math.floor(value / TWO_TO_32)
    this.int32(high)
    this.int32((value - high * TWO_TO_32) | 0)
    return true
  }

  sizedDouble(value: number): true {
    this.int32(8)
    this.#room(8)
    this.length = this.#buffer.writeDoubleBE(value, this.length)
    return true
  }

  sizedRaw(value: Buffer): true {
    this.int32(value.length)
    this.raw(value)
    return true
  }

  /** With a leading byte where `version` is given, as jsonb has it. */
  text(value: string, version?: number): true {
    // UTF-8 of one UTF-16 unit is at most 3 bytes.
    this.#room(5 + value.length * 3)
    const start = this.length + 4
    const from = version === undefined ? start : this.#buffer.writeUInt8(version, start)
    const end = from + this.#buffer.write(value, from)
    this.#buffer.writeInt32BE(end - start, this.length)
    this.length = end
    return true
  }

  /** A one-dimensional array of text, from index 1. */
  texts(values: readonly string[]): true {
    this.#room(24)
    const start = this.length + 4
    this.length = start
    const [dimensions, hasNull, firstIndex] = [values.length === 0 ? 0 : 1, 0, 1]
    for (const word of [dimensions, hasNull, TEXT_OID]) this.int32(word)
    if (dimensions === 1) for (const word of [values.length, firstIndex]) this.int32(word)
    for (const value of values) this.text(value)
    this.#buffer.writeInt32BE(this.length - start, start - 4)
    return true
  }

  uuid(value: string): boolean {
    if (value.length !== 36) return false
    this.int32(16)
    this.#room(16)
    const hex = value.slice(0, 8) + value.slice(9, 13) + value.slice(14, 18) + value.slice(19, 23) + value.slice(24)
    // Stops at the first character that is no hex digit.
    const written = this.#buffer.write(hex, this.length, 'hex')
    this.length += 16
    return written === 16
  }

  #room(bytes: number): void {
    if (this.length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + bytes))
    this.#buffer.copy(larger, 0, 0, this.length)
    this.#buffer = larger
  }
}
