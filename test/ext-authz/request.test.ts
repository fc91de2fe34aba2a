import { expect, test } from 'vitest'
import { readRequest } from '../../ext-authz/request.ts'
import { checkRequest } from '../support/check-request.ts'

const read = (options: Parameters<typeof checkRequest>[0]) => readRequest(checkRequest(options))

const REFUSED_PATHS = [
  '/admin;x', '/pub/..;/admin', '/a;v=1/b', '/admin%0a', '/admin%20', '/admin%7f', '/admin%00', '/admin%ff', '/a%252f', '/a%2fb', '/a%2Fb', '/a%5cb', '/a%3bb', '/a%23b', '/a%3Fb',
  '/a%c0%af', '/a%e2%82', '/a%zz', '/a%', '/a%4', '/a b', '/a\\b', '/a#b', '/ü', 'a', '', '*', 'http://h/a',
] // biome-ignore format: a table
test.each(REFUSED_PATHS)('facts/envoy.md §14 the path %j is refused with 400', (path) => {
  expect(read({ path }).fault?.slug).toBe('bad-request')
})

test.each(['/', '/agents', '/agents/a-b_c.~', '/a/caf%C3%A9', "/a/!$&'()*+,=:@", '/agents?x=%20;#', '/agents?x=%252f'])(
  'the path %j is read as it is',
  (path) => {
    const request = read({ path })
    expect(request.fault).toBeUndefined()
    expect(request.path).toBe(path.split('?')[0])
  },
)

test.each(['TRACE', 'CONNECT', 'PROPFIND', 'get', '', 'GET '])(
  'facts/envoy.md §14 the method %j is refused',
  (method) => {
    expect(read({ method }).fault?.slug).toBe('method-not-allowed')
  },
)

const REFUSED_HOSTS = [
  '',
  'a b',
  'a,b',
  'evil@api',
  'a/b',
  `${'a'.repeat(256)}.com`,
  '[::1',
  'fe80::1%eth0',
  '-',
  'a:port',
  'a:123456',
]
test.each(REFUSED_HOSTS)('facts/envoy.md §14 the host %j is refused with 400', (host) => {
  expect(read({ host }).fault?.slug).toBe('bad-request')
})

test.each([
  'api.example.com',
  'api.example.com.',
  'API.example.com:8080',
  '127.0.0.1:8080',
  '[::1]:8080',
  'my_service',
])('the host %j is read', (host) => {
  expect(read({ host }).fault).toBeUndefined()
})

test.each(['authorization', 'content-type', 'x-request-id', ':authority', 'host'])(
  'facts/threats.md 1b two %s headers are refused with 400',
  (name) => {
    const request = read({
      headers: [
        [name, 'a'],
        [name, 'b'],
      ],
    })
    expect(request.fault).toMatchObject({ slug: 'bad-request', detail: expect.stringContaining('more than once') })
  },
)

test('ID-13 the client address is the one Envoy established, not the peer of the Check', () => {
  expect(read({ headers: [['x-envoy-external-address', '203.0.113.9']] }).clientAddress).toBe('203.0.113.9')
})

test('facts/threats.md 1b two Content-Types that Envoy has joined are refused, a quoted comma is not', () => {
  const fault = (value: string) => read({ headers: [['content-type', value]] }).fault?.slug
  expect(fault('a/b,c/d')).toBe('bad-request')
  expect(fault('multipart/form-data; boundary="a,b"')).toBeUndefined()
})
