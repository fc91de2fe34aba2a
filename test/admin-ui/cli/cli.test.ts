import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { lifetime } from '../../../admin-ui/cli/lifetime.ts'
import { startIssuer } from '../../../runtime/embedded/issuer/issuer.ts'
import type { EnvoyStatus, Status } from '../../../xds-server/status/status.ts'
import { ROOT, sallyport } from './command.ts'

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

test.each([
  [[]],
  [['up']],
  [['validate']],
  [['status']],
  [['dev']],
  [['dev', 'token']],
  [['dev', 'rotate-keys']],
  [['audit']],
  [['why']],
  ...['tail', 'search', 'export', 'verify', 'replay', 'migrate'].map((command) => [['audit', command]]),
])('`sallyport %j --help` explains with examples on stdout and ends with 0', async (command) => {
  const { code, out, err } = await sallyport([...command, '--help'])
  expect([code, err]).toEqual([0, ''])
  expect(out).toMatch(/^Usage: sallyport/)
  expect(out).toContain('Examples:\n')
})

test.each([
  [
    'an unknown command, with the nearest',
    ['valdate'],
    /unknown command 'valdate'\n\(Did you mean validate\?\)\n\(sallyport --help shows how\)/,
  ],
  ['an unknown option', ['status', '--jsn'], /unknown option '--jsn'/],
  ['a value that is no choice', ['dev', 'token', '--as', 'tril'], /Allowed choices are paying, trial/],
  ['a lifetime without a unit', ['dev', 'token', '--expires-in', '60'], /such as 90s, 15m, 1h or 1d/],
  ['a claim without a value', ['dev', 'token', '--claim', 'roles'], /Expected name=value/],
  ['no command where one is needed', ['dev'], /Usage: sallyport dev/],
])('a usage error ends with 64 and talks on stderr only: %s', async (_, args, message) => {
  const { code, out, err } = await sallyport(args)
  expect([code, out]).toEqual([64, ''])
  expect(err).toMatch(message)
})

test('a misspelt setting is a usage error that names the nearest', async () => {
  const { code, err } = await sallyport(['dev', 'token'], { SALLYPORT_ISUER_PORT: '1' })
  expect([code, err]).toEqual([
    64,
    'SALLYPORT_ISUER_PORT is not a setting of this process; did you mean SALLYPORT_ISSUER_PORT?\n',
  ])
})

test('`dev token` prints the token and nothing else; without an issuer it ends with 69', async () => {
  const issuer = await startIssuer({ port: 0, keyFile: join(temporary(), 'keys.json'), fail: () => undefined })
  const settings = { SALLYPORT_ISSUER_PORT: new URL(issuer.url).port }
  const asked = [
    'dev',
    'token',
    '--as',
    'trial',
    '--claim',
    'roles=["viewer"]',
    '--claim',
    'tier=gold',
    '--expires-in',
    '5m',
  ]
  const { code, out, err } = await sallyport(asked, settings)
  expect([code, err]).toEqual([0, ''])
  const claims = decodeJwt(out.trim())
  expect(claims).toMatchObject({ user_id: 'trial', trial_mode: true, roles: ['viewer'], tier: 'gold' })
  expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(300)
  const rotated = await sallyport(['dev', 'rotate-keys'], settings)
  expect([rotated.code, rotated.err]).toEqual([0, `signs with ${rotated.out.trim()}; 2 keys published\n`])
  await issuer.close()
  expect(await sallyport(['dev', 'token'], settings)).toMatchObject({
    code: 69,
    out: '',
    err: expect.stringContaining('sallyport up'),
  })
})

test('`up --print-config` shows every setting and starts nothing', async () => {
  const { code, out } = await sallyport(['up', '--print-config'], { SALLYPORT_HTTP_PORT: '9080' })
  expect(code).toBe(0)
  expect(out).toContain('SALLYPORT_HTTP_PORT=9080 port (environment)\n')
  expect(out).toContain('SALLYPORT_ISSUER_PORT=9000 port (default)\n')
})

test('`validate` says what it checked and ends with 0', async () => {
  const { code, out, err } = await sallyport(['validate'])
  expect([code, out]).toEqual([0, ''])
  expect(err).toMatch(/^policies\/gateways: 3 gateways, \d+ routes, valid \(/)
})

test('`validate` names file, line and mistake of a broken definition and ends with 1, as text and as JSON', async () => {
  const folder = temporary()
  const file = join(folder, 'partner.ts')
  const source = readFileSync(join(ROOT, 'policies/gateways/partner.ts'), 'utf8').replace(
    '../define.ts',
    join(ROOT, 'policies/define.ts'),
  )
  writeFileSync(file, source.replace("trial: 'sandbox'", "trial: 'sandbx'"))
  const line = source.split('\n').findIndex((text) => text.includes("trial: 'sandbox'")) + 1
  const text = await sallyport(['validate', folder])
  expect(text.code).toBe(1)
  expect(text.out).toContain(`${file}:${line}:`)
  expect(text.out).toContain('sandbx')
  expect(text.err).toContain('1 mistake (')
  const { code, out } = await sallyport(['validate', '-o', 'json', file])
  expect(code).toBe(1)
  expect(JSON.parse(out)).toMatchObject({
    schema: 'sallyport.validate/1',
    valid: false,
    problems: [{ line, code: 'SP3001' }],
  })
})

test('`validate` of what is not there is a usage error, not "valid"', async () => {
  expect(await sallyport(['validate', '/no/such/folder'])).toMatchObject({ code: 64, out: '' })
  const empty = join(temporary(), 'empty')
  mkdirSync(empty)
  expect((await sallyport(['validate', empty])).code).toBe(1)
})

test('`status` without a control plane ends with 69 and says how to start one', async () => {
  const { code, out, err } = await sallyport(['status'], { SALLYPORT_STATUS_PORT: '1' })
  expect([code, out]).toEqual([69, ''])
  expect(err).toContain('sallyport up')
})

/** A control plane's status page with this answer; gives the port. */
async function statusPage(status: Status): Promise<string> {
  const server = createServer((_request, response) => void response.end(JSON.stringify(status)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return String((server.address() as AddressInfo).port)
}

const ENVOY: EnvoyStatus = {
  node: 'edge-1',
  cluster: 'sallyport',
  agent: 'envoy 1.40.0',
  synced: true,
  lastAck: new Date().toISOString(),
  types: [{ type: 'RouteConfiguration', state: 'SYNCED', acknowledged: { public: 'r1' }, pending: [] }],
}

test('XD-4 `status` shows every Envoy and ends with 0 when all run what is published', async () => {
  const port = await statusPage({ revision: 'r1', envoys: [ENVOY] })
  const { code, out, err } = await sallyport(['status'], { SALLYPORT_STATUS_PORT: port })
  expect([code, err]).toEqual([0, 'all is well\n'])
  expect(out).toMatch(/^revision r1\n\nENVOY {3}LDS .*\nedge-1 {2}- {4}ok .* envoy 1\.40\.0\n$/)
})

test('XD-4 `status` names what was refused, with its definition, and ends with 3, as text and as JSON', async () => {
  const lastNack = {
    names: ['public'],
    origins: ['policies/gateways/partner.ts:7'],
    message: 'duplicate domain',
    at: ENVOY.lastAck ?? '',
  }
  const refused: EnvoyStatus = {
    ...ENVOY,
    synced: false,
    types: [{ type: 'RouteConfiguration', state: 'ERROR', acknowledged: {}, pending: [], lastNack }],
  }
  const port = await statusPage({ revision: 'r2', definitionError: 'partner.ts:9 …', envoys: [refused] })
  const text = await sallyport(['status'], { SALLYPORT_STATUS_PORT: port })
  expect(text.code).toBe(3)
  expect(text.out).toContain('REJECTED')
  expect(text.err).toMatch(
    /edge-1: refused RouteConfiguration public \(policies\/gateways\/partner\.ts:7\) \d+ s ago: duplicate domain/,
  )
  expect(text.err).toContain('2 things need attention')
  const { code, out } = await sallyport(['status', '-o', 'json'], { SALLYPORT_STATUS_PORT: port })
  expect([code, JSON.parse(out).schema, JSON.parse(out).concerns.length]).toEqual([3, 'sallyport.status/1', 2])
})

test('lifetimes have a unit and may be negative', () => {
  expect(['90s', '15m', '1h', '2d', '-5m'].map(lifetime)).toEqual([90, 900, 3_600, 172_800, -300])
  expect(() => lifetime('1w')).toThrow()
})
