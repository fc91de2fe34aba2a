import type { CheckParts } from '../../ext-authz/request.ts'
import { POLICY_KEY, policyText, type RoutePolicy } from '../../policies/policy.ts'

/** A Check as Envoy sends it for one HTTP request, with the headers a browserless client would have. */
export function checkRequest(options: {
  method?: string
  path?: string
  host?: string
  headers?: readonly (readonly [string, string])[]
  policy?: RoutePolicy | string
  body?: string | Buffer
}): CheckParts {
  const { method = 'GET', path = '/agents', host = 'api.example.com', headers = [], policy, body = '' } = options
  const base: readonly (readonly [string, string])[] = [
    [':authority', host],
    ['x-request-id', '11111111-2222-4333-8444-555555555555'],
    ['x-correlation-id', 'correlation-1'],
    ['x-envoy-external-address', '192.0.2.7'],
  ]
  const overridden = base.filter(([key]) => key === ':authority' || !headers.some(([name]) => name === key))
  return {
    attributes: {
      request: {
        time: { seconds: 1_763_721_000, nanos: 123_456_789 },
        http: {
          method,
          raw_body: Buffer.from(body),
          size: Buffer.byteLength(body),
          path,
          host,
          header_map: {
            headers: [...overridden, ...headers].map(([key, value]) => ({
              key,
              raw_value: Buffer.from(value, 'latin1'),
            })),
          },
        },
      },
      context_extensions:
        policy === undefined ? {} : { [POLICY_KEY]: typeof policy === 'string' ? policy : policyText(policy) },
    },
  }
}

/** An open route's policy; tests add what they test. */
export function routePolicy(overrides: Partial<RoutePolicy> = {}): RoutePolicy {
  return {
    v: 1,
    gateway: 'test',
    type: 'CP',
    route: 'agents',
    source: 'test.ts:1',
    path: '/agents',
    identity: { kind: 'open', reason: 'a test of what comes before identity' },
    split: false,
    upgradeUrl: 'https://example.com/upgrade',
    audit: { onFailure: 'deny' },
    ...overrides,
  }
}
