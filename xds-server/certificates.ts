import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import type { CompiledListener } from '../policies/compile.ts'
import { readSecretFile, type Secret } from '../runtime/secret.ts'

/** A listener's certificate with its key, checked: the two belong together and the certificate is valid now. */
export interface CertificatePair {
  readonly name: string
  /** PEM: the certificate, then those of the authorities between it and a root. */
  readonly chain: string
  readonly key: Secret
  readonly expiresAt: Date
}

/** Why a pair cannot be served; the message names the certificate, the file and what to do. */
export class CertificateError extends Error {}

/** Longest certificate file that is read, bytes. */
const MAX_CHAIN_BYTES = 262_144

/** What reading the pairs gave: those that can be served, and why others cannot. */
export interface Certificates {
  readonly pairs: ReadonlyMap<string, CertificatePair>
  readonly problems: readonly CertificateError[]
}

/**
 * Reads the pair of every listener that speaks TLS. A pair that is unreadable, mismatched or not valid at `now` is a problem, and the
 * one that was `live` under its name goes on being served: a failed rotation may not take a listener down (RT-2).
 */
export async function readCertificates(
  listeners: readonly CompiledListener[],
  live: ReadonlyMap<string, CertificatePair>,
  now: Date,
): Promise<Certificates> {
  const pairs = new Map<string, CertificatePair>()
  const problems: CertificateError[] = []
  for (const { tls, certificate: files } of listeners) {
    if (tls === undefined || pairs.has(tls.certificate)) continue
    const read = await readPair(tls.certificate, files, now).catch((error: unknown) =>
      asProblem(tls.certificate, error),
    )
    const kept = read instanceof CertificateError ? live.get(tls.certificate) : read
    if (read instanceof CertificateError) problems.push(read)
    if (kept !== undefined) pairs.set(tls.certificate, kept)
  }
  return { pairs, problems }
}

async function readPair(name: string, files: CompiledListener['certificate'], now: Date): Promise<CertificatePair> {
  if (files === undefined) throw new CertificateError(`certificate ${name}: the bindings name no files for it`)
  const chain = await readChain(name, files.certificate)
  const key = await readSecretFile(files.key, { sharedWithGroup: true })
  const leaf = parsed(name, files.certificate, 'a PEM certificate', () => new X509Certificate(chain))
  const privateKey = parsed(name, files.key, 'a PEM private key without a passphrase', () =>
    createPrivateKey(key.reveal()),
  )
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new CertificateError(
      `certificate ${name}: ${files.key} is not the key of ${files.certificate}; replace both, the key first`,
    )
  }
  const [from, until] = [new Date(leaf.validFrom), new Date(leaf.validTo)]
  if (now < from || now >= until) {
    throw new CertificateError(
      `certificate ${name}: ${files.certificate} is valid from ${from.toISOString()} to ${until.toISOString()}, not now; renew it`,
    )
  }
  return { name, chain, key, expiresAt: until }
}

/** OpenSSL's own words name neither the file nor what it should hold. */
function parsed<T>(name: string, file: string, expected: string, parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CertificateError(`certificate ${name}: ${file} must hold ${expected} (${why})`, { cause })
  }
}

async function readChain(name: string, file: string): Promise<string> {
  const info = await stat(file)
  if (!info.isFile()) throw new CertificateError(`certificate ${name}: ${file} must be a regular file`)
  const { size } = info
  if (size <= MAX_CHAIN_BYTES) return readFile(file, 'utf8')
  throw new CertificateError(`certificate ${name}: ${file} has ${size} bytes, at most ${MAX_CHAIN_BYTES} are read`)
}

function asProblem(name: string, error: unknown): CertificateError {
  if (error instanceof CertificateError) return error
  const cause = error instanceof Error ? error.message : String(error)
  return new CertificateError(`certificate ${name}: ${cause}`, { cause: error })
}
