import { expect, test } from 'vitest'
import { any, unpack } from '../../protos/any.ts'

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

test('C42 equal input gives equal bytes, whatever the order of map keys', () => {
  const lb = (name: string) => ({ type_url: `type.googleapis.com/${name}`, value: Buffer.alloc(0) })
  const one = any('envoy.config.cluster.v3.Cluster', {
    name: 'a',
    typed_extension_protocol_options: { x: lb('x'), y: lb('y') },
  })
  const other = any('envoy.config.cluster.v3.Cluster', {
    typed_extension_protocol_options: { y: lb('y'), x: lb('x') },
    name: 'a',
  })
  expect(one.value.equals(other.value)).toBe(true)
})

test('facts/xds.md §6 a field that our subset does not have is an error with its path, never dropped', () => {
  const misspelt: object = { name: 'a', connect_timeout: { seconds: 1, nanoz: 5 } }
  expect(() => any('envoy.config.cluster.v3.Cluster', misspelt)).toThrow(
    'envoy.config.cluster.v3.Cluster.connect_timeout.nanoz: not a field',
  )
})

test('facts/xds.md §6 a misspelt enum member is an error, never the zero value', () => {
  const misspelt: object = { name: 'a', lb_policy: 'ROUND_ROBBIN' }
  expect(() => any('envoy.config.cluster.v3.Cluster', misspelt)).toThrow(
    'lb_policy: "ROUND_ROBBIN" is not a value of this enum',
  )
})

test('an Any decodes back to what went in, and refuses to be read as another type', () => {
  const packed = any(HTTP_OPTIONS, {
    explicit_http_config: { http2_protocol_options: { max_concurrent_streams: { value: 100 } } },
  })
  expect(unpack(HTTP_OPTIONS, packed)).toMatchObject({
    explicit_http_config: { http2_protocol_options: { max_concurrent_streams: { value: 100 } } },
  })
  expect(() => unpack('envoy.config.cluster.v3.Cluster', packed)).toThrow(
    'expected an Any of envoy.config.cluster.v3.Cluster',
  )
})

test('metadata keeps its structure: a Struct is written with the names of its own type', () => {
  const metadata = { filter_metadata: { sallyport: { fields: { origin: { stringValue: 'partner.ts:41' } } } } }
  const packed = any('envoy.config.route.v3.Route', { metadata })
  expect(
    unpack('envoy.config.route.v3.Route', packed).metadata?.filter_metadata?.['sallyport']?.fields?.['origin']
      ?.stringValue,
  ).toBe('partner.ts:41')
})
