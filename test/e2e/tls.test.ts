import { copyFile, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type SecureVersion } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { developmentCertificates } from '../../runtime/embedded/certificates.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { until } from '../support/until.ts'

let gateway: Gateway
/** The authority that the next handshake trusts. */
let authority: string
let other: string

beforeAll(async () => {
  gateway = await startGateway()
  authority = await readFile(gateway.sallyport.authority, 'utf8')
  other = await mkdtemp(join(tmpdir(), 'sallyport-tls-'))
})
afterAll(async () => {
  await rm(other, { recursive: true, force: true })
  await gateway?.stop()
})

interface Served {
  readonly serial: string
  readonly protocol: string | null
}

/** One handshake, the certificate checked against the present authority. */
function handshake(version?: SecureVersion): Promise<Served> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port: gateway.ports.https,
      servername: 'localhost',
      ca: authority,
      ...(version === undefined ? {} : { minVersion: version, maxVersion: version }),
    })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      resolve({ serial: socket.getPeerCertificate().serialNumber, protocol: socket.getProtocol() })
      socket.end()
    })
  })
}

function get(path: string): Promise<{ status: number; headers: NodeJS.Dict<string | string[]> }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port: gateway.ports.https, servername: 'localhost', path, ca: authority },
      (response) => {
        response.resume()
        response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }))
      },
    )
    sent.once('error', reject)
    sent.end()
  })
}

test('RT-2 TLS 1.3 with a certificate that its authority vouches for; TLS 1.2 is refused', async () => {
  expect((await handshake()).protocol).toBe('TLSv1.3')
  await expect(handshake('TLSv1.2')).rejects.toThrow()
})

test('RT-6 HSTS is on every TLS answer, refusals included, and on no plain one', async () => {
  for (const [path, status] of [
    ['/health', 200],
    ['/api/cp/v1/agents', 401],
    ['/none', 404],
  ] as const) {
    const response = await get(path)
    expect(response.status).toBe(status)
    expect(response.headers['strict-transport-security']).toMatch(/max-age=\d+/)
  }
  expect((await gateway.request('/health')).headers).not.toHaveProperty('strict-transport-security')
})

async function install(pair: { certificate: string; key: string }): Promise<void> {
  const { certificates } = JSON.parse(await readFile(gateway.sallyport.bindings, 'utf8')) as {
    certificates: { edge: { certificate: string; key: string } }
  }
  for (const part of ['certificate', 'key'] as const) {
    await copyFile(pair[part], `${certificates.edge[part]}.new`)
    await rename(`${certificates.edge[part]}.new`, certificates.edge[part])
  }
}

test('RT-2 a rotated certificate is served without a failed handshake; a pair that does not match changes nothing', async () => {
  const before = await handshake()
  const pair = await developmentCertificates(other)
  await install({ certificate: pair.certificate, key: gateway.sallyport.authority })
  await until('the bad pair to be reported', () =>
    gateway.events.some((event) => event.kind === 'said' && /certificate edge/.test(event.line)),
  )
  expect((await handshake()).serial).toBe(before.serial)
  await install(pair)
  authority = await readFile(pair.authority, 'utf8')
  await until('the new certificate', async () => (await handshake()).serial !== before.serial)
  expect((await get('/health')).status).toBe(200)
})
