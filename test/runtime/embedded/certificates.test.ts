import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { developmentCertificates } from '../../../runtime/embedded/certificates.ts'
import { temporaryFolder } from './temporary-folder.ts'

test.each(['localhost', '127.0.0.1'])('TLS 1.3 to %s is trusted with the development authority', async (host) => {
  const files = await developmentCertificates(temporaryFolder())
  const server = createServer({ cert: readFileSync(files.certificate), key: readFileSync(files.key) }, (socket) =>
    socket.end(),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const protocol = await new Promise((resolve, reject) => {
    const socket = connect({ port, host, ca: readFileSync(files.authority) }, () => resolve(socket.getProtocol()))
    socket.once('error', reject)
  })
  expect(protocol).toBe('TLSv1.3')
})

test('the certificate is for this machine and for servers only, for 90 days', async () => {
  const files = await developmentCertificates(temporaryFolder())
  const certificate = new X509Certificate(readFileSync(files.certificate))
  const authority = new X509Certificate(readFileSync(files.authority))
  expect(certificate.subjectAltName).toBe('DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
  expect([certificate.ca, authority.ca]).toEqual([false, true])
  expect(certificate.checkIssued(authority)).toBe(true)
  const days = (certificate.validToDate.getTime() - Date.now()) / 86_400_000
  expect(Math.round(days)).toBe(90)
})

test('keys are readable by their owner only, and what is good is kept', async () => {
  const folder = temporaryFolder()
  const files = await developmentCertificates(folder)
  const before = [files.authority, files.certificate, files.key].map((file) => readFileSync(file, 'utf8'))
  const again = await developmentCertificates(folder)
  expect([again.authority, again.certificate, again.key].map((file) => readFileSync(file, 'utf8'))).toEqual(before)
  expect(statSync(files.key).mode & 0o777).toBe(0o600)
})

test('a broken certificate, or one of another authority, is made anew', async () => {
  const folder = temporaryFolder()
  const files = await developmentCertificates(folder)
  writeFileSync(files.certificate, 'cut off')
  await developmentCertificates(folder)
  const mended = new X509Certificate(readFileSync(files.certificate))
  const other = await developmentCertificates(temporaryFolder())
  writeFileSync(files.authority, readFileSync(other.authority))
  await developmentCertificates(folder)
  const signed = new X509Certificate(readFileSync(files.certificate))
  expect(signed.fingerprint256).not.toBe(mended.fingerprint256)
  expect(signed.verify(new X509Certificate(readFileSync(files.authority)).publicKey)).toBe(true)
})
