import 'reflect-metadata' // @peculiar/x509 registers its parts with it
import { createPrivateKey, KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate as LibraryCertificate,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { writableFolder } from './checkout.ts'
import { replaceFile } from './replace-file.ts'

/** PEM files of the development certificates. */
export interface DevelopmentCertificates {
  /** The authority to trust: `curl --cacert`. */
  readonly authority: string
  /** Certificate of the gateway's TLS listeners, for localhost, 127.0.0.1 and ::1. */
  readonly certificate: string
  /** Its private key, mode 0600. */
  readonly key: string
}

const DAY_MS = 86_400_000
const AUTHORITY_DAYS = 825
const SERVER_DAYS = 90
/** With less than this left, a pair is made anew at start. */
const RENEW_DAYS = 7

/**
 * The development authority and the server certificate it signed, made in `folder` when missing, unreadable, of another authority
 * or about to expire. The authority stays as long as it can, so that a browser has to trust it only once.
 */
export async function developmentCertificates(folder: string): Promise<DevelopmentCertificates> {
  await writableFolder(folder)
  const authority = await pair(folder, 'authority', () => makeAuthority())
  const server = await pair(folder, 'edge', () => makeServer(authority), authority.certificate)
  return { authority: authority.file, certificate: server.file, key: server.keyFile }
}

interface Pair {
  readonly certificate: X509Certificate
  readonly key: KeyObject
}

interface PairOnDisk extends Pair {
  readonly file: string
  readonly keyFile: string
}

async function pair(
  folder: string,
  name: string,
  make: () => Promise<Pair>,
  issuer?: X509Certificate,
): Promise<PairOnDisk> {
  const file = join(folder, `${name}.pem`)
  const keyFile = join(folder, `${name}-key.pem`)
  const present = await load(file, keyFile)
  const trusted = issuer ?? present?.certificate
  if (present !== undefined && trusted !== undefined && isGood(present, trusted)) return { ...present, file, keyFile }
  const made = await make()
  await replaceFile(keyFile, made.key.export({ type: 'pkcs8', format: 'pem' }).toString())
  await replaceFile(file, made.certificate.toString())
  return { ...made, file, keyFile }
}

async function load(file: string, keyFile: string): Promise<Pair | undefined> {
  try {
    return { certificate: new X509Certificate(await readFile(file)), key: createPrivateKey(await readFile(keyFile)) }
  } catch {
    return undefined
  }
}

function isGood({ certificate, key }: Pair, issuer: X509Certificate): boolean {
  const left = certificate.validToDate.getTime() - Date.now()
  return left > RENEW_DAYS * DAY_MS && certificate.checkPrivateKey(key) && certificate.verify(issuer.publicKey)
}

const AUTHORITY_NAME = 'CN=Sallyport development authority'
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

async function makeAuthority(): Promise<Pair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...validity(AUTHORITY_DAYS),
    name: AUTHORITY_NAME,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: new X509Certificate(certificate.toString()), key: KeyObject.from(keys.privateKey) }
}

async function makeServer(authority: Pair): Promise<Pair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.create({
    ...validity(SERVER_DAYS),
    subject: 'CN=localhost',
    issuer: AUTHORITY_NAME,
    publicKey: keys.publicKey,
    signingKey: authority.key.toCryptoKey(ALGORITHM, false, ['sign']),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
        { type: 'ip', value: '::1' },
      ]),
      await AuthorityKeyIdentifierExtension.create(new LibraryCertificate(authority.certificate.raw)),
    ],
  })
  return { certificate: new X509Certificate(certificate.toString()), key: KeyObject.from(keys.privateKey) }
}

function validity(days: number) {
  const now = Date.now()
  return {
    serialNumber: randomBytes(16).toString('hex'),
    // An hour of grace for clocks that are behind.
    notBefore: new Date(now - 3_600_000),
    notAfter: new Date(now + days * DAY_MS),
  }
}
