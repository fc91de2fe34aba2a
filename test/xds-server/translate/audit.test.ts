import { describe, expect, test } from 'vitest'
import { ACCESS_LOG_FORMAT } from '../../../envoy/access-log.ts'
import { AUDITED_HEADERS, CHECKED_HEADERS } from '../../../envoy/edge.ts'
import type { AuditPolicy } from '../../../policies/policy.ts'
import { Secret } from '../../../runtime/secret.ts'
import { LISTENER, ROUTES, type Snapshot } from '../../../xds-server/snapshot.ts'
import { translate } from '../../../xds-server/translate/snapshot.ts'
import { gateway, listener, route } from './compiled.ts'
import { type Json, readable } from './readable.ts'
import { validate } from './validate.ts'

const OPTIONS = { problemBase: 'https://example.com/errors/', caFile: '/etc/ssl/certs/ca-certificates.crt' }
const PAIR = { name: 'edge', chain: 'chain', key: new Secret('key'), expiresAt: new Date('2100-01-01T00:00:00Z') }
const TLS = { port: 8443, certificate: 'edge', minimumVersion: 'TLSv1.3' } as const

function audited(path: string, audit: AuditPolicy) {
  const plain = route(path)
  return { ...plain, policy: { ...plain.policy, audit } }
}

/** A listener that redirects to TLS and an internal one, with these routes on each. */
function snapshotFor(
  outer: Parameters<typeof gateway>[0],
  inner: Parameters<typeof gateway>[0] = [],
  accessLog?: string,
): Snapshot {
  const compiled = {
    listeners: [listener({ tls: TLS, redirectToHttps: true }), listener({ name: 'internal', port: 8081 })],
    gateways: [gateway(outer), gateway(inner, { name: 'inner', listener: 'internal' })],
  }
  return translate(compiled, new Map([['edge', PAIR]]), { ...OPTIONS, ...(accessLog !== undefined && { accessLog }) })
}

/** Every value under a key, wherever it stands. */
function valuesOf(value: Json, key: string): Json[] {
  if (Array.isArray(value)) return value.flatMap((item) => valuesOf(item, key))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, item]) => [...(name === key ? [item] : []), ...valuesOf(item, key)])
}

const bodyOf = (snapshot: Snapshot, type: typeof LISTENER | typeof ROUTES, name: string): Json => {
  const found = snapshot.resources.get(type)?.get(name)
  if (found === undefined) throw new Error(`there is no ${name}`)
  return readable(found.body)
}

describe('AU-1 the access log', () => {
  const HTTP = [route('/tasks')]

  test('is on every listener, that of the redirect and the TLS one included, with every key and nothing left out', async () => {
    const snapshot = snapshotFor(HTTP, HTTP, '/dev/null')
    for (const name of ['public', 'public-tls', 'internal']) {
      const logs = valuesOf(bodyOf(snapshot, LISTENER, name), 'access_log')
      expect(logs, name).toEqual([
        [
          {
            name: 'envoy.access_loggers.file',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
              path: '/dev/null',
              log_format: { json_format: ACCESS_LOG_FORMAT },
            },
          },
        ],
      ])
    }
    expect(await validate(snapshot)).toContain('OK')
  })

  test('is nowhere where the deployment names no file', () => {
    expect(valuesOf(bodyOf(snapshotFor(HTTP), LISTENER, 'public-tls'), 'access_log')).toEqual([])
  })
})

describe('AU-6 headers that are recorded reach the Check', () => {
  const names = (snapshot: Snapshot, name: string) =>
    valuesOf(bodyOf(snapshot, LISTENER, name), 'allowed_headers')
      .flatMap((list) => valuesOf(list, 'exact'))
      .map(String)

  test('those of every request, and of the listener’s own routes each once; none of another listener', () => {
    const snapshot = snapshotFor(
      [
        audited('/a', { onFailure: 'deny', headers: ['x-b', 'x-a'] }),
        audited('/b', { onFailure: 'deny', headers: ['x-a', 'accept'] }),
      ],
      [audited('/c', { onFailure: 'deny', headers: ['x-c'] })],
    )
    const always = [...new Set<string>([...CHECKED_HEADERS, ...AUDITED_HEADERS])]
    expect(names(snapshot, 'public-tls')).toEqual([...always, 'x-a', 'x-b'])
    expect(names(snapshot, 'internal')).toEqual([...always, 'x-c'])
  })

  test('an edit of anything else in an audit changes no listener, so no connection is drained', () => {
    const versions = (audit: AuditPolicy) => {
      const listeners =
        snapshotFor([audited('/a', audit)])
          .resources.get(LISTENER)
          ?.values() ?? []
      return [...listeners].map(({ version }) => version)
    }
    const plain = versions({ onFailure: 'deny', headers: ['x-a'] })
    const other = { onFailure: 'degrade', query: ['q'], body: { maxBytes: 1, mask: [] } } as const
    expect(versions({ ...other, headers: ['x-a'] })).toEqual(plain)
    expect(versions({ ...other, headers: ['x-b'] })).not.toEqual(plain)
  })
})

describe('AU-6 bodies', () => {
  const settings = (audit: AuditPolicy) => {
    const snapshot = snapshotFor([audited('/a', audit)])
    const [checked] = valuesOf(bodyOf(snapshot, ROUTES, 'public'), 'check_settings')
    return { checked, limits: valuesOf(bodyOf(snapshot, ROUTES, 'public'), 'request_body_buffer_limit') }
  }

  test('a route that asks for one has so much of it sent with the Check, as bytes, a longer one cut', () => {
    const { checked, limits } = settings({ onFailure: 'deny', body: { maxBytes: 4_096, mask: [] } })
    expect(checked).toMatchObject({
      with_request_body: { max_request_bytes: 4_096, allow_partial_message: true, pack_as_bytes: true },
    })
    expect(checked).not.toHaveProperty('disable_request_body_buffering')
    expect(limits).toEqual([])
  })

  test('a route that does not ask has none sent', () => {
    const { checked } = settings({ onFailure: 'deny' })
    expect(checked).toMatchObject({ disable_request_body_buffering: true })
    expect(checked).not.toHaveProperty('with_request_body')
  })

  test.each([
    [32_768, []],
    [32_769, ['32769']],
    [65_536, ['65536']],
  ])('of %i bytes Envoy may hold back as much as is asked for', (maxBytes, limits) => {
    expect(settings({ onFailure: 'deny', body: { maxBytes, mask: [] } }).limits).toEqual(limits)
  })
})
