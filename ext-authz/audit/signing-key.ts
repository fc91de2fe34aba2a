import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readSecretFile } from '../../runtime/secret.ts'
import { writeDurably } from './durable-file.ts'

/** Names in the recorder's folder. The private one never leaves it; `audit verify` needs the public one. */
const PRIVATE_KEY_FILE = 'signing-key.pem'
export const PUBLIC_KEY_FILE = 'signing-key.pub.pem'

/** What roots are signed with (Ed25519). */
export interface SigningKey {
  readonly sign: KeyObject
  readonly public: KeyObject
  readonly id: string
}

/**
 * The recorder's key, made at its first start. Throws, naming the file, where the private half may be read by others, or is there but
 * is no Ed25519 key: a key that is replaced in silence would make every root before it unverifiable.
 */
export async function openSigningKey(folder: string): Promise<SigningKey> {
  const file = join(folder, PRIVATE_KEY_FILE)
  const pem = await readSecretFile(file).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  const sign = pem === undefined ? await freshKey(file) : ed25519(createPrivateKey(pem.reveal()), file)
  const publicKey = createPublicKey(sign)
  await writeDurably(join(folder, PUBLIC_KEY_FILE), publicKey.export({ type: 'spki', format: 'pem' }), 0o644)
  return { sign, public: publicKey, id: keyId(publicKey) }
}

/** Reads the public half from its file. Throws, naming the file, where it is none. */
export async function readPublicKey(file: string): Promise<KeyObject> {
  const pem = await readFile(file, 'utf8')
  try {
    return ed25519(createPublicKey(pem), file)
  } catch (cause) {
    throw new Error(`${file}: must hold the recorder’s public key (Ed25519, PEM)`, { cause })
  }
}

/** First 16 hex digits of the SHA-256 of a public key (SPKI, DER). */
export const keyId = (publicKey: KeyObject): string =>
  hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'hex').slice(0, 16)

async function freshKey(file: string): Promise<KeyObject> {
  const { privateKey } = generateKeyPairSync('ed25519')
  await writeDurably(file, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  return privateKey
}

function ed25519(key: KeyObject, file: string): KeyObject {
  if (key.asymmetricKeyType === 'ed25519') return key
  throw new Error(`${file}: must hold an Ed25519 key, it holds ${key.asymmetricKeyType ?? 'another kind'}`)
}
