import { expect, test } from 'vitest'
import { ISSUERS } from '../../policies/issuers.ts'
import { LISTENERS, type Listener } from '../../policies/listeners.ts'
import { checkPorts } from '../../policies/loading/checks/ports.ts'
import type { Finding } from '../../policies/loading/reading.ts'
import { readIssuers, readListeners } from '../../policies/loading/table-schema.ts'

function findings(run: (report: (finding: Finding) => undefined) => void): string[] {
  const found: string[] = []
  run(({ code, path }) => {
    found.push(`${code} ${path.join('.')}`)
  })
  return found
}

const plain: Listener = { address: '127.0.0.1', port: 8080, redirectToHttps: false, trustedHops: 0 }

test('the shipped tables have the form that loading demands', () => {
  expect(findings((report) => readIssuers(ISSUERS, [], report))).toEqual([])
  expect(findings((report) => readListeners(LISTENERS, [], report))).toEqual([])
})

test('ID-3, ID-4 an issuer with a forged field, a weak algorithm or keys over plain HTTP is refused', () => {
  const issuer = { ...ISSUERS.waooaw, algorithms: ['HS256'], jwks: 'http://waooaw.com/jwks', kid: 'x' }
  expect(findings((report) => readIssuers({ waooaw: issuer }, [], report)).sort()).toEqual([
    'SP2001 waooaw.kid',
    'SP2004 waooaw.algorithms.0',
    'SP4003 waooaw.jwks',
  ])
})

test('SP3008 a redirect to HTTPS needs a TLS port (RT-2)', () => {
  const tables = { issuers: {}, listeners: { public: { ...plain, redirectToHttps: true } } }
  expect(findings((report) => checkPorts(new Set(['public']), tables, undefined, report))).toEqual([
    'SP3008 public.redirectToHttps',
  ])
})

test('SP3012 listeners at overlapping addresses do not share a port; unused ones do not count', () => {
  const tables = {
    issuers: {},
    listeners: { a: plain, b: { ...plain, address: '0.0.0.0' }, c: { ...plain, port: 8081 } },
  }
  const collisions = (...used: string[]) => findings((report) => checkPorts(new Set(used), tables, undefined, report))
  expect(collisions('a', 'b', 'c')).toEqual(['SP3012 b.port'])
  expect(collisions('a', 'c')).toEqual([])
})
