import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CheckReader } from '../../ext-authz/check-reader.ts'
import { type CheckParts, headerText, readRequest } from '../../ext-authz/request.ts'
import { POLICY_KEY } from '../../policies/policy.ts'
import { decode, encode } from '../../protos/auth.ts'
import type { CheckRequest } from '../../protos/gen/envoy/service/auth/v3/CheckRequest.ts'

const NAME = 'envoy.service.auth.v3.CheckRequest'

/** A Check as Envoy sends it, with parts around those that are read. */
function message(policy: string, more: More = {}): CheckRequest {
  const { path = '/agents', headers = [['authorization', Buffer.from('Bearer a.b.c')]] } = more
  const { body, size = '-1', time = { seconds: '1763721000', nanos: 5 } } = more
  return {
    attributes: {
      source: { address: { socket_address: { address: '192.0.2.7', port_value: 40_000 } } },
      request: {
        time,
        http: {
          id: '12345678901234567890',
          method: 'GET',
          path,
          host: 'api.example.com',
          scheme: 'http',
          size,
          ...(body === undefined ? {} : { raw_body: body }),
          protocol: 'HTTP/1.1',
          header_map: { headers: headers.map(([key, raw_value]) => ({ key, raw_value })) },
        },
      },
      context_extensions: { other: 'not read', [POLICY_KEY]: policy },
    },
  }
}

interface More {
  readonly path?: string
  readonly headers?: [string, Buffer][]
  readonly body?: Buffer
  readonly size?: string
  readonly time?: { readonly seconds: string; readonly nanos: number } | null | undefined
}

/** What is read of a Check, headers and body as text: one of the two readers gives bytes where the other gives text. */
function read(parts: CheckParts) {
  const { headers, body, ...rest } = readRequest(parts)
  return {
    ...rest,
    headers: headers.map((header) => [header.key, headerText(header)]),
    body: body === undefined ? undefined : { ...body, bytes: body.bytes.toString('hex') },
  }
}

test('the reader and a full decode of the same bytes give the same request', () => {
  const reader = new CheckReader()
  const name: fc.Arbitrary<string> = fc.constantFrom(
    'authorization',
    'content-type',
    ':authority',
    'x-request-id',
    'user-agent',
    'cookie',
  )
  const partial = fc.constant<[string, Buffer]>(['x-envoy-auth-partial-body', Buffer.from('true')])
  const header = fc.tuple(name, fc.uint8Array({ maxLength: 300 }).map(Buffer.from))
  const more: fc.Arbitrary<More> = fc.record({
    path: fc.string({ unit: 'binary' }),
    headers: fc.array(fc.oneof(header, partial), { maxLength: 8 }),
    body: fc.uint8Array({ maxLength: 300 }).map(Buffer.from),
    size: fc.integer({ min: -1, max: 2 ** 31 }).map(String),
    time: fc.option(
      fc.record({
        seconds: fc.integer({ min: 0, max: 4e9 }).map(String),
        nanos: fc.integer({ min: 0, max: 999_999_999 }),
      }),
    ),
  })
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), more, (policy, rest) => {
      const bytes = encode(NAME, message(policy, rest))
      expect(read(reader.read(bytes))).toEqual(read(decode(NAME, bytes)))
    }),
  )
})

test('AU-1 the time of a request is that of Envoy’s log: whole microseconds, rounded down', () => {
  const at = (time: More['time']) =>
    readRequest(new CheckReader().read(encode(NAME, message('{}', { time: time ?? null })))).at
  expect(at({ seconds: '1763721000', nanos: 123_456_999 })).toBe(1_763_721_000_123_456)
  expect(at({ seconds: '1763721000', nanos: 0 })).toBe(1_763_721_000_000_000)
  expect(at(null)).toBeUndefined()
})

test('one Check leaves nothing behind for the next: no time, body, size or header', () => {
  const reader = new CheckReader()
  reader.read(encode(NAME, message('{}', { body: Buffer.from('{}'), size: '2' })))
  const { at, body, headers } = readRequest(reader.read(encode(NAME, message('{}', { headers: [], time: null }))))
  expect({ at, body, headers }).toEqual({ at: undefined, body: undefined, headers: [] })
})

test('bytes of a path that are no UTF-8 stay visible, and the path is refused', () => {
  const bytes = encode(NAME, message('{"v":1}', { path: '/a~~~b' }))
  bytes.set([0xff, 0xe9, 0x80], bytes.indexOf('~~~'))
  const request = readRequest(new CheckReader().read(bytes))
  expect(request.path).toBe('/a\\xff\\xe9\\x80b')
  expect(request.fault?.slug).toBe('bad-request')
})

test('an empty Check has no policy, which is refused later', () => {
  expect(readRequest(new CheckReader().read(Buffer.alloc(0))).policyText).toBeUndefined()
})

test('a Check that was cut anywhere is an error, never half a request', () => {
  const bytes = encode(NAME, message('{"v":1}'))
  for (let length = 1; length < bytes.length; length++) {
    expect(() => new CheckReader().read(bytes.subarray(0, length)), `${length} bytes`).toThrow('a CheckRequest')
  }
})

test('fields that a newer Envoy adds are skipped, whatever their wire type', () => {
  const bytes = encode(NAME, message('{"v":1}'))
  const varint = [0xc0, 0x3e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
  const fixed64 = [0xc1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8]
  const text = [0xc2, 0x3e, 2, 0x68, 0x69]
  const fixed32 = [0xc5, 0x3e, 1, 2, 3, 4]
  const more = Buffer.from([...varint, ...fixed64, ...text, ...fixed32])
  const reader = new CheckReader()
  expect(reader.read(Buffer.concat([more, bytes, more]))).toEqual(new CheckReader().read(bytes))
})

test('a group, a number without end and a length past the end are errors', () => {
  for (const bytes of [[0x0b, 0x0c], [0xff, 0xff], Array.from({ length: 12 }, () => 0x80), [0x0a, 0x7f, 1]]) {
    expect(() => new CheckReader().read(Buffer.from(bytes))).toThrow('a CheckRequest')
  }
})

test('policies that look alike stay apart: each Check gets the text that it carried', () => {
  const reader = new CheckReader()
  const policyOf = (policy: string) => readRequest(reader.read(encode(NAME, message(policy)))).policyText
  // Of equal length, and different only where the mark of a text does not look.
  for (const policy of ['0123456', '0923456', '0123456', '0193456']) expect(policyOf(policy)).toBe(policy)
  for (let route = 0; route < 3000; route++) expect(policyOf(`{"route":${route}}`)).toBe(`{"route":${route}}`)
})
