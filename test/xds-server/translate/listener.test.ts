import { describe, expect, test } from 'vitest'
import {
  IDENTITY_HEADERS,
  IDENTITY_PREFIXES,
  ORIGIN_HEADERS,
  ORIGIN_PREFIXES,
  OVERRIDE_HEADERS,
} from '../../../envoy/edge.ts'
import type { CompiledListener } from '../../../policies/compile.ts'
import { Secret } from '../../../runtime/secret.ts'
import { LISTENER, ROUTES, SECRET, type Snapshot } from '../../../xds-server/snapshot.ts'
import { TranslationError } from '../../../xds-server/translate/check.ts'
import { translate } from '../../../xds-server/translate/snapshot.ts'
import { gateway, listener, route } from './compiled.ts'
import { readable } from './readable.ts'
import { validate } from './validate.ts'

const OPTIONS = { problemBase: 'https://example.com/errors/', caFile: '/etc/ssl/certs/ca-certificates.crt' }
const PAIR = { name: 'edge', chain: 'chain', key: new Secret('key'), expiresAt: new Date('2100-01-01T00:00:00Z') }
const TLS = { port: 8443, certificate: 'edge', minimumVersion: 'TLSv1.3' } as const

function snapshotFor(changes: Partial<CompiledListener>): Snapshot {
  const compiled = { listeners: [listener(changes)], gateways: [gateway([route('/tasks', { split: true })])] }
  return translate(compiled, new Map([['edge', PAIR]]), OPTIONS)
}

function text(snapshot: Snapshot, type: typeof LISTENER | typeof ROUTES, name: string): string {
  const found = snapshot.resources.get(type)?.get(name)
  return found === undefined ? '' : JSON.stringify(readable(found.body))
}

describe('RT-2 TLS', () => {
  test('plain and TLS serve the same routes; the pair comes by SDS, TLS 1.3 is the least', async () => {
    const snapshot = snapshotFor({ tls: TLS })
    expect([...(snapshot.resources.get(SECRET)?.keys() ?? [])]).toEqual(['edge'])
    for (const name of ['public', 'public-tls']) {
      expect(text(snapshot, LISTENER, name)).toContain('"route_config_name":"public"')
    }
    expect(text(snapshot, LISTENER, 'public-tls')).toContain('"tls_minimum_protocol_version":"TLSv1_3"')
    expect(await validate(snapshot)).toContain('OK')
  })

  test('TLS 1.2 by definition: Envoy knows every suite, all of them with forward secrecy', async () => {
    const snapshot = snapshotFor({ tls: { ...TLS, minimumVersion: 'TLSv1.2' } })
    const suites = /"cipher_suites":\[([^\]]*)\]/.exec(text(snapshot, LISTENER, 'public-tls'))?.[1]?.split(',') ?? []
    expect(suites.length).toBeGreaterThan(3)
    expect(suites.every((suite) => suite.startsWith('"ECDHE-'))).toBe(true)
    expect(await validate(snapshot)).toContain('OK')
  })

  test('redirect: the plain listener sends everything to the TLS port by 308 and serves nothing', async () => {
    const snapshot = snapshotFor({ tls: TLS, redirectToHttps: true })
    expect(text(snapshot, LISTENER, 'public')).toContain('"route_config_name":"public-redirect"')
    expect(text(snapshot, LISTENER, 'public-tls')).toContain('"route_config_name":"public"')
    const redirect = text(snapshot, ROUTES, 'public-redirect')
    expect(redirect).toContain('"port_redirect":8443,"response_code":"PERMANENT_REDIRECT"')
    expect(redirect).not.toContain('"cluster"')
    expect(await validate(snapshot)).toContain('OK')
  })

  test('a TLS listener without a pair that can be served is refused', () => {
    const compiled = { listeners: [listener({ tls: TLS })], gateways: [gateway([route('/tasks')])] }
    expect(() => translate(compiled, new Map(), OPTIONS)).toThrow(TranslationError)
  })

  test('HSTS is told over TLS only', () => {
    const snapshot = snapshotFor({ tls: TLS })
    expect(text(snapshot, LISTENER, 'public')).not.toContain('max-age=')
    expect(text(snapshot, LISTENER, 'public-tls')).toContain('max-age=')
  })
})

describe('ID-13 who the client is', () => {
  test.each([
    [0, true],
    [1, false],
  ])('with %i trusted proxies a client’s X-Forwarded-For is removed: %s', (trustedHops, removed) => {
    const public_ = text(snapshotFor({ trustedHops }), LISTENER, 'public')
    expect(public_.includes('"prefix":"x-forwarded",')).toBe(removed)
    expect(public_).toContain(`"xff_num_trusted_hops":${trustedHops}`)
    expect(public_).not.toContain('internal_address_config')
  })

  test.each([0, 1])(
    'ID-7 AZ-4 with %i trusted proxies every listed name is removed, by name or by its beginning',
    (trustedHops) => {
      const removed = removedNames(text(snapshotFor({ trustedHops }), LISTENER, 'public'))
      const listed = [...IDENTITY_HEADERS, ...OVERRIDE_HEADERS, ...ORIGIN_HEADERS]
      expect(
        listed.filter((name) => !removed.names.has(name) && !removed.prefixes.some((one) => name.startsWith(one))),
      ).toEqual([])
      expect(removed.prefixes).toEqual(expect.arrayContaining([...IDENTITY_PREFIXES, ...ORIGIN_PREFIXES]))
    },
  )
})

/** What a listener removes before anything reads it. */
function removedNames(listenerText: string) {
  const early = /"early_header_mutation_extensions":\[(.*?)\]\}\}\]/.exec(listenerText)?.[1] ?? ''
  return {
    names: new Set([...early.matchAll(/"remove":"([^"]+)"/g)].map(([, name]) => name)),
    prefixes: [...early.matchAll(/"prefix":"([^"]+)"/g)].map(([, prefix]) => prefix ?? ''),
  }
}

test('an edit of a route changes no listener, so no connection is drained', () => {
  const one = snapshotFor({ tls: TLS })
  const compiled = { listeners: [listener({ tls: TLS })], gateways: [gateway([route('/other')])] }
  const other = translate(compiled, new Map([['edge', PAIR]]), OPTIONS)
  const versions = (snapshot: Snapshot) =>
    [...(snapshot.resources.get(LISTENER)?.values() ?? [])].map((each) => each.version)
  expect(versions(other)).toEqual(versions(one))
  expect(other.revision).not.toBe(one.revision)
})
