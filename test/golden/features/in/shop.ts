import { all, defineGateway, del, get, http, https, jwt, open, post, put } from '../../../../policies/define.ts'

/** Everything a definition can say that changes what Envoy does. */
export default defineGateway({
  name: 'shop',
  type: 'CP',
  hosts: ['shop.example.com', '*.shop.example.com'],
  prefix: '/api',
  identity: jwt('waooaw'),
  cors: { origins: ['https://shop.example.com', 'https://m.example.com'], credentials: true, exposeHeaders: ['etag'] },
  headers: { request: { 'x-shop': 'main' }, response: { 'cache-control': 'no-store' } },
  upstreams: {
    named: http('shop-backend:8000'),
    literal: http('192.0.2.10:8000', { http2: true, connectTimeout: '250ms' }),
    six: http('[2001:db8::1]:8000'),
    secure: https('payments.example.com:443', { forwardCredentials: true }),
    sandbox: https('sandbox.example.com:8443', { http2: true }),
  },
  target: 'named',
  routes: {
    'list items': get('/items', { audit: { query: ['page'], headers: ['accept-encoding', 'x-till'] } }),
    'show item': get('/items/{id}'),
    'drop item': del('/items/{id}', { target: 'literal', retries: { attempts: 0, on: ['connect-failure'] } }),
    'show favourite': get('/items/favourite', { target: 'six' }),
    pay: post('/payments', {
      target: { paid: 'secure', trial: 'sandbox' },
      timeout: '30s',
      audit: { headers: ['x-till'], body: { maxBytes: 4_096, mask: ['iban'] } },
    }),
    'upload receipt': put('/payments/{id}/receipt', { target: 'named', audit: { body: { maxBytes: 65_536 } } }),
    reports: get('/reports/{year}/*', {
      timeout: '500ms',
      retries: { attempts: 2, on: ['gateway-error', 'connect-failure'], perTryTimeout: '200ms' },
      headers: { request: { 'x-shop': 'reports' } },
    }),
    legacy: all('/v1.0/*', {
      stripPrefix: '/api/v1.0',
      target: 'secure',
      identity: open('the legacy host checks by itself'),
    }),
  },
})
