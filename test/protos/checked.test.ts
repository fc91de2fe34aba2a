import { expect, test } from 'vitest'
import { any, unpack } from '../../protos/any.ts'
import { decode as authDecode, encode as authEncode } from '../../protos/auth.ts'

const CLUSTER = 'envoy.config.cluster.v3.Cluster'
const ROUTE = 'envoy.config.route.v3.Route'

/** What a caller gets past the compiler when the value comes from elsewhere. */
const untyped = (value: object): object => value

test.each<[string, object, string]>([
  ['an unknown field', { nam: 'a' }, `${CLUSTER}.nam: not a field of our protobuf subset`],
  [
    'an unknown field inside a list',
    { health_checks: [{}, { timout: {} }] },
    `${CLUSTER}.health_checks.1.timout: not a field`,
  ],
  [
    'an unknown field inside a map',
    { metadata: { filter_metadata: { a: { origin: 'x' } } } },
    `${CLUSTER}.metadata.filter_metadata.a.origin: not a field`,
  ],
  [
    'two fields of one oneof',
    { type: 'EDS', cluster_type: { name: 'dns' } },
    `${CLUSTER}.cluster_type: another field of the oneof cluster_discovery_type is set too`,
  ],
  [
    'a oneof that names a field which is not set',
    { cluster_discovery_type: 'type' },
    `${CLUSTER}.cluster_discovery_type: a oneof that says "type", which is not set`,
  ],
  [
    'a fraction of a second',
    { connect_timeout: { seconds: 0.25 } },
    `${CLUSTER}.connect_timeout.seconds: 0.25 is not a whole number that int64 holds`,
  ],
  [
    'a negative size',
    { per_connection_buffer_limit_bytes: { value: -1 } },
    `${CLUSTER}.per_connection_buffer_limit_bytes.value: -1 is not a whole number that uint32 holds`,
  ],
  ['a size past 32 bits', { per_connection_buffer_limit_bytes: { value: 2 ** 32 } }, 'uint32 holds'],
  ['a number in words', { connect_timeout: { seconds: '5s' } }, '"5s" is not a whole number that int64 holds'],
])('facts/xds.md §6 %s is an error with its path, never bent silently', (_what, cluster, message) => {
  expect(() => any(CLUSTER, untyped(cluster))).toThrow(message)
})

test('facts/xds.md §6 text where bytes belong is an error, never read as base64', () => {
  const header = untyped({ header: { key: 'x-user-id', raw_value: 'abcd' } })
  expect(() => any('envoy.config.core.v3.HeaderValueOption', header)).toThrow(
    'envoy.config.core.v3.HeaderValueOption.header.raw_value: text where bytes belong',
  )
})

test('a 64-bit number keeps all its digits, as text or as a number', () => {
  const policy = { host_selection_retry_max_attempts: '9223372036854775807' }
  const packed = any('envoy.config.route.v3.RetryPolicy', policy)
  expect(unpack('envoy.config.route.v3.RetryPolicy', packed)).toEqual(policy)
  expect(any(CLUSTER, { connect_timeout: { seconds: 5 } })).toEqual(any(CLUSTER, { connect_timeout: { seconds: '5' } }))
})

test('a decoded message, which names its oneofs, encodes to the bytes it came from', () => {
  const route = any(ROUTE, { name: 'a', match: { prefix: '/' }, direct_response: { status: 405 } })
  const read = unpack(ROUTE, route)
  expect(read.action).toBe('direct_response')
  expect(any(ROUTE, untyped(read))).toEqual(route)
})

test('C42 the order of map keys, also inside a Struct, does not change the bytes', () => {
  const metadata = (first: string, second: string) => ({
    filter_metadata: {
      z: { fields: {} },
      a: { fields: { [first]: { boolValue: true }, [second]: { boolValue: true } } },
    },
  })
  expect(any(ROUTE, { metadata: metadata('x', 'b') })).toEqual(any(ROUTE, { metadata: metadata('b', 'x') }))
})

test('encoding leaves what it was given as it was', () => {
  const extensions = Object.freeze({ b: '2', a: '1' })
  const settings = Object.freeze({ check_settings: Object.freeze({ context_extensions: extensions }) })
  any('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute', settings)
  expect(Object.keys(extensions)).toEqual(['b', 'a'])
})

test('an Any inside a message travels as it was packed', () => {
  const inner = any('envoy.extensions.filters.http.router.v3.Router', { suppress_envoy_headers: true })
  const filter = any('envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter', {
    name: 'router',
    typed_config: inner,
  })
  const read = unpack('envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter', filter)
  expect(read.typed_config).toEqual(inner)
})

test('an unknown name of a message does not compile, and throws', () => {
  // @ts-expect-error the name is misspelt
  expect(() => any('envoy.config.cluster.v3.Clusterr', {})).toThrow(
    'protobuf message envoy.config.cluster.v3.Clusterr is not loaded',
  )
})

test('ext-authz loads the Check service without Envoy’s configuration', () => {
  const response = { status: { code: 0 }, ok_response: { headers_to_remove: ['cookie'] } }
  const bytes = authEncode('envoy.service.auth.v3.CheckResponse', response)
  expect(authDecode('envoy.service.auth.v3.CheckResponse', bytes)).toEqual({
    ...response,
    http_response: 'ok_response',
  })
  expect(() => authEncode(CLUSTER, { name: 'a' })).toThrow(`protobuf message ${CLUSTER} is not loaded`)
})
