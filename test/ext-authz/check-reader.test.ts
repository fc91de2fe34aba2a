import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CheckReader } from '../../ext-authz/check-reader.ts'
import { readRequest } from '../../ext-authz/request.ts'
import { POLICY_KEY } from '../../policies/policy.ts'
import { decode, encode } from '../../protos/auth.ts'
import type { CheckRequest } from '../../protos/gen/envoy/service/auth/v3/CheckRequest.ts'

const NAME = 'envoy.service.auth.v3.CheckRequest'

/** A Check as Envoy sends it, with parts around those that are read. */
function message(policy: string, more: { path?: string; headers?: [string, Buffer][] } = {}): CheckRequest {
  const { path = '/agents', headers = [['authorization', Buffer.from('Bearer a.b.c')]] } = more
  return {
    attributes: {
      source: { address: { socket_address: { address: '192.0.2.7', port_value: 40_000 } } },
      request: {
        time: { seconds: '1763721000', nanos: 5 },
        http: {
          id: '12345678901234567890',
          method: 'GET',
          path,
          host: 'api.example.com',
          scheme: 'http',
          size: '-1',
          protocol: 'HTTP/1.1',
          header_map: { headers: headers.map(([key, raw_value]) => ({ key, raw_value })) },
        },
      },
      context_extensions: { other: 'not read', [POLICY_KEY]: policy },
    },
  }
}

test('the reader and a full decode of the same bytes give the same request', () => {
  const reader = new CheckReader()
  const name = fc.constantFrom('authorization', 'content-type', ':authority', 'x-request-id', 'user-agent', 'cookie')
  const headers = fc.array(fc.tuple(name, fc.uint8Array({ maxLength: 300 }).map(Buffer.from)), { maxLength: 8 })
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), headers, (policy, path, list) => {
      const bytes = encode(NAME, message(policy, { path, headers: list }))
      expect(readRequest(reader.read(bytes))).toEqual(readRequest(decode(NAME, bytes)))
    }),
  )
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
