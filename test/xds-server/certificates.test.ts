import { chmod, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CompiledListener } from '../../policies/compile.ts'
import { type DevelopmentCertificates, developmentCertificates } from '../../runtime/embedded/certificates.ts'
import { readCertificates } from '../../xds-server/certificates.ts'
import { listener } from './translate/compiled.ts'

let folder: string
let made: DevelopmentCertificates

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-certificates-'))
  made = await developmentCertificates(join(folder, 'one'))
})

afterEach(() => rm(folder, { recursive: true }))

function tls(certificate: CompiledListener['certificate']): CompiledListener {
  const definition = listener({ tls: { port: 8443, certificate: 'edge', minimumVersion: 'TLSv1.3' } })
  return certificate === undefined ? definition : { ...definition, certificate }
}

const read = (files: CompiledListener['certificate'] = made, now = new Date()) =>
  readCertificates([tls(files)], new Map(), now)

async function refusal(files?: CompiledListener['certificate'], now?: Date): Promise<string> {
  const { pairs, problems } = await read(files, now)
  expect(pairs.size).toBe(0)
  return problems.map(({ message }) => message).join('\n')
}

describe('RT-2 certificate pairs', () => {
  test('a good pair is read, and its key cannot be printed', async () => {
    const { pairs, problems } = await read()
    expect(problems).toEqual([])
    expect(pairs.get('edge')?.chain).toContain('BEGIN CERTIFICATE')
    expect(JSON.stringify([...pairs])).not.toContain('PRIVATE')
  })

  test('two listeners of one certificate read it once', async () => {
    const { pairs } = await readCertificates([tls(made), tls(made)], new Map(), new Date())
    expect([...pairs.keys()]).toEqual(['edge'])
  })

  test('a key of another certificate is refused', async () => {
    const other = await developmentCertificates(join(folder, 'two'))
    expect(await refusal({ ...made, key: other.key })).toMatch(/certificate edge: .* is not the key of .*edge\.pem/)
  })

  test('an expired certificate is refused, and so is one of the future', async () => {
    expect(await refusal(made, new Date('2100-01-01'))).toMatch(/valid from .* to .*, not now; renew it/)
    expect(await refusal(made, new Date('2020-01-01'))).toMatch(/not now/)
  })

  test('a missing file, a broken file and a key that others may read are refused by name', async () => {
    expect(await refusal({ ...made, certificate: join(folder, 'none.pem') })).toMatch(
      /certificate edge: ENOENT.*none\.pem/,
    )
    const broken = join(folder, 'broken.pem')
    await writeFile(broken, 'no certificate')
    expect(await refusal({ ...made, certificate: broken })).toMatch(/^certificate edge: /)
    const open = join(folder, 'open.pem')
    await copyFile(made.key, open)
    await chmod(open, 0o644)
    expect(await refusal({ ...made, key: open })).toMatch(/certificate edge: secret .*open\.pem: others may read it/)
  })

  test('what is no PEM is refused with the file and what it should hold', async () => {
    const garbage = join(folder, 'garbage.pem')
    await writeFile(garbage, 'no pem', { mode: 0o600 })
    expect(await refusal({ ...made, key: garbage })).toMatch(/garbage\.pem must hold a PEM private key/)
    expect(await refusal({ ...made, certificate: garbage })).toMatch(/garbage\.pem must hold a PEM certificate/)
    expect(await refusal({ ...made, certificate: folder })).toMatch(/must be a regular file/)
  })

  test('files that nobody named are refused', async () => {
    const { pairs, problems } = await readCertificates([tls(undefined)], new Map(), new Date())
    expect(pairs.size).toBe(0)
    expect(problems[0]?.message).toBe('certificate edge: the bindings name no files for it')
  })

  test('a failed rotation keeps the pair that is served, and says so', async () => {
    const { pairs: live } = await read()
    await writeFile(made.certificate, 'half a certificate')
    const { pairs, problems } = await readCertificates([tls(made)], live, new Date())
    expect(pairs.get('edge')).toBe(live.get('edge'))
    expect(problems).toHaveLength(1)
  })
})
