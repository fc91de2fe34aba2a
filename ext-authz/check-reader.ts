import { POLICY_KEY } from '../policies/policy.ts'
import { readable } from './audit/text.ts'
import { headerName } from './header-names.ts'
import type { CheckParts, RawHeader } from './request.ts'

/** Most policy texts kept; more routes than this only cost their text anew on each request. */
const MAX_TEXTS = 1024

/** Field numbers of protos/envoy/service/auth/v3 and protos/envoy/config/core/v3/base.proto. */
const CHECK_REQUEST = { attributes: 1 } as const
const ATTRIBUTES = { request: 4, contextExtensions: 10 } as const
const REQUEST = { time: 1, http: 2 } as const
const TIMESTAMP = { seconds: 1, nanos: 2 } as const
const HTTP = { method: 2, path: 4, host: 5, size: 9, body: 11, rawBody: 12, headerMap: 13 } as const
const HEADER_MAP = { headers: 1 } as const
const HEADER = { key: 1, value: 2, rawValue: 3 } as const
const MAP_ENTRY = { key: 1, value: 2 } as const

const NO_BYTES: Buffer = Buffer.alloc(0)

/** Takes one length-delimited field, which ends at `end`. */
type Take = (field: number, end: number) => void
/** Takes one number. */
type TakeNumber = (field: number, value: number) => void

const noNumber: TakeNumber = () => undefined
const noText: Take = () => undefined

/**
 * Reads the few parts of a CheckRequest that a decision needs, straight from its bytes. A full decode costs more than the decision,
 * and was a quarter of the garbage that outlived young collections: Node keeps what a call refers to until a full one.
 * Not for two Checks at a time: each `read` is done before the next begins.
 */
export class CheckReader {
  #bytes: Buffer = NO_BYTES
  #at = 0
  #method = ''
  #path = ''
  #host = ''
  #seconds = 0
  #nanos = 0
  #timed = false
  #size = 0
  #body: Buffer = NO_BYTES
  #headers: RawHeader[] = []
  #extensions: Record<string, string> = {}
  #key = ''
  #value = ''
  #rawValue = ''
  #number = 0
  readonly #texts = new Map<number, { readonly bytes: Buffer; readonly text: string }>()

  /** Throws on bytes that are no protobuf message; grpc-js then answers INTERNAL, and Envoy its 503. */
  read(bytes: Buffer): CheckParts {
    this.#bytes = bytes
    this.#at = 0
    this.#method = ''
    this.#path = ''
    this.#host = ''
    this.#seconds = 0
    this.#nanos = 0
    this.#timed = false
    this.#size = 0
    this.#body = NO_BYTES
    this.#headers = []
    this.#extensions = {}
    this.#fields(bytes.length, this.#checkRequest, noNumber)
    const http = {
      method: this.#method,
      path: this.#path,
      host: this.#host,
      header_map: { headers: this.#headers },
      size: this.#size,
      raw_body: this.#body,
    }
    const time = this.#timed ? { seconds: this.#seconds, nanos: this.#nanos } : null
    return { attributes: { request: { time, http }, context_extensions: this.#extensions } }
  }

  readonly #checkRequest: Take = (field, end) => {
    if (field === CHECK_REQUEST.attributes) this.#fields(end, this.#attributes, noNumber)
  }

  readonly #attributes: Take = (field, end) => {
    if (field === ATTRIBUTES.request) this.#fields(end, this.#request, noNumber)
    else if (field === ATTRIBUTES.contextExtensions) this.#extension(end)
  }

  readonly #request: Take = (field, end) => {
    if (field === REQUEST.http) this.#fields(end, this.#http, this.#httpNumber)
    else if (field === REQUEST.time) {
      this.#timed = true
      this.#fields(end, noText, this.#timestamp)
    }
  }

  readonly #timestamp: TakeNumber = (field, value) => {
    if (field === TIMESTAMP.seconds) this.#seconds = value
    else if (field === TIMESTAMP.nanos) this.#nanos = value
  }

  readonly #httpNumber: TakeNumber = (field, value) => {
    // -1, which Envoy sends where it does not know, is the greatest number of 64 bits: beyond what is exact here.
    if (field === HTTP.size) this.#size = value > Number.MAX_SAFE_INTEGER ? -1 : value
  }

  readonly #http: Take = (field, end) => {
    if (field === HTTP.headerMap) this.#fields(end, this.#headerMap, noNumber)
    else if (field === HTTP.method) this.#method = this.#text('utf8', end)
    else if (field === HTTP.path) this.#path = this.#visibleText(end)
    else if (field === HTTP.host) this.#host = this.#visibleText(end)
    else if (field === HTTP.rawBody || field === HTTP.body) this.#body = this.#bytes.subarray(this.#at, end)
  }

  readonly #headerMap: Take = (field, end) => {
    if (field !== HEADER_MAP.headers) return
    this.#key = ''
    this.#value = ''
    this.#rawValue = ''
    this.#fields(end, this.#header, noNumber)
    this.#headers.push({ key: this.#key, value: this.#value, raw_value: this.#rawValue })
  }

  readonly #header: Take = (field, end) => {
    if (field === HEADER.key) this.#key = headerName(this.#bytes, this.#at, end)
    else if (field === HEADER.rawValue) this.#rawValue = this.#text('latin1', end)
    else if (field === HEADER.value) this.#value = this.#text('utf8', end)
  }

  #extension(end: number): void {
    this.#key = ''
    this.#value = ''
    this.#fields(end, this.#mapEntry, noNumber)
    if (this.#key === POLICY_KEY) this.#extensions[POLICY_KEY] = this.#value
  }

  readonly #mapEntry: Take = (field, end) => {
    if (field === MAP_ENTRY.key) this.#key = this.#text('utf8', end)
    else if (field === MAP_ENTRY.value) this.#value = this.#knownText(end)
  }

  /** Goes through the fields up to `end`; numbers of a fixed size are nothing that we read. */
  #fields(end: number, take: Take, takeNumber: TakeNumber): void {
    while (this.#at < end) {
      const tag = this.#varint()
      const stop = this.#stopOf(tag & 7)
      if (stop > end) throw new Error(`a CheckRequest that ends inside field ${tag >>> 3}`)
      if ((tag & 7) === 2) take(tag >>> 3, stop)
      else if ((tag & 7) === 0) takeNumber(tag >>> 3, this.#number)
      this.#at = stop
    }
  }

  /** Where the field in hand ends, by its wire type (protobuf.dev, "Encoding"). */
  #stopOf(wireType: number): number {
    switch (wireType) {
      case 0:
        this.#number = this.#varint()
        return this.#at
      case 1:
        return this.#at + 8
      case 2: {
        const length = this.#varint()
        return this.#at + length
      }
      case 5:
        return this.#at + 4
      default:
        throw new Error(`a CheckRequest with a field of wire type ${wireType}`)
    }
  }

  /** Exact below 2^53, which covers every tag and length; of greater ones only the end matters. */
  #varint(): number {
    let value = 0
    let weight = 1
    for (let count = 0; count < 10; count++) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * weight
      if (byte < 0x80) return value
      weight *= 0x80
    }
    throw new Error('a CheckRequest with a number that does not end')
  }

  #text(encoding: 'utf8' | 'latin1', end: number): string {
    return this.#bytes.toString(encoding, this.#at, end)
  }

  /** Envoy passes on bytes that are no UTF-8; they stay visible, one by one, where a decoder would replace them all alike. */
  #visibleText(end: number): string {
    const text = this.#text('utf8', end)
    return text.includes('\ufffd') ? readable(this.#text('latin1', end)) : text
  }

  /** A policy's text comes with every request of its route: the string is made once and found again by its bytes. */
  #knownText(end: number): string {
    const bytes = this.#bytes.subarray(this.#at, end)
    const mark = markOf(bytes)
    const known = this.#texts.get(mark)
    if (known?.bytes.equals(bytes)) return known.text
    const text = bytes.toString('utf8')
    if (this.#texts.size >= MAX_TEXTS) this.#texts.clear()
    this.#texts.set(mark, { bytes: Buffer.from(bytes), text })
    return text
  }
}

/** Tells most texts apart at little cost; equality is for the bytes to say. */
function markOf(bytes: Buffer): number {
  let mark = bytes.length
  for (let at = 0; at < bytes.length; at += 7) mark = (Math.imul(mark, 31) + (bytes[at] ?? 0)) | 0
  return mark
}
