import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writableFolder } from './checkout.ts'
import { bits, octets, oid, sequence, set, TRUE, tagged, time, unsigned, utf8 } from './der.ts'

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

async function pair(folder: string, name: string, make: () => Pair, issuer?: X509Certificate): Promise<PairOnDisk> {
  const file = join(folder, `${name}.pem`)
  const keyFile = join(folder, `${name}-key.pem`)
  const present = await load(file, keyFile)
  const trusted = issuer ?? present?.certificate
  if (present !== undefined && trusted !== undefined && isGood(present, trusted)) return { ...present, file, keyFile }
  const made = make()
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

async function replaceFile(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** Object identifiers of RFC 5280, RFC 5758 and X.520. */
const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  subjectAltName: '2.5.29.17',
}

const AUTHORITY_NAME = 'Sallyport development authority'

function makeAuthority(): Pair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const usage = tagged(0x03, Buffer.from([1, 0b0000_0110])) // keyCertSign, cRLSign
  const extensions = [extension(OID.basicConstraints, true, sequence(TRUE)), extension(OID.keyUsage, true, usage)]
  return { certificate: certify(AUTHORITY_NAME, publicKey, privateKey, AUTHORITY_DAYS, extensions), key: privateKey }
}

function makeServer(authority: Pair): Pair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const usage = tagged(0x03, Buffer.from([7, 0b1000_0000])) // digitalSignature
  const names = sequence(
    tagged(0x82, Buffer.from('localhost')),
    tagged(0x87, Buffer.from([127, 0, 0, 1])),
    tagged(0x87, Buffer.from([...Array<number>(15).fill(0), 1])),
  )
  const extensions = [
    extension(OID.basicConstraints, true, sequence()),
    extension(OID.keyUsage, true, usage),
    extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth))),
    extension(OID.subjectAltName, false, names),
  ]
  return { certificate: certify('localhost', publicKey, authority.key, SERVER_DAYS, extensions), key: privateKey }
}

/** A version 3 certificate (RFC 5280 §4.1) of the development authority, valid from an hour ago. */
function certify(subject: string, subjectKey: KeyObject, signer: KeyObject, days: number, extensions: Buffer[]) {
  const now = Date.now()
  const algorithm = sequence(oid(OID.ecdsaWithSha256))
  const body = sequence(
    tagged(0xa0, unsigned(Buffer.from([2]))),
    unsigned(randomBytes(16)),
    algorithm,
    name(AUTHORITY_NAME),
    sequence(time(new Date(now - 3_600_000)), time(new Date(now + days * DAY_MS))),
    name(subject),
    subjectKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions)),
  )
  return new X509Certificate(sequence(body, algorithm, bits(sign('sha256', body, signer))))
}

function name(commonName: string): Buffer {
  return sequence(set(sequence(oid(OID.commonName), utf8(commonName))))
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [TRUE] : []), octets(value))
}
