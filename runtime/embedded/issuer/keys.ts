import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { writableFolder } from '../checkout.ts'
import { replaceFile } from '../replace-file.ts'

/** A private RSA key as a JWK that names itself. */
export interface SigningKey extends JWK {
  readonly kid: string
  readonly alg: 'RS256'
}

/** The signing keys of the development issuer, newest first; kept in a file (mode 0600) so that tokens survive a restart. */
export interface SigningKeys {
  current(): SigningKey
  all(): readonly SigningKey[]
  /** Adds a key and signs with it from now on; the older ones stay published. */
  rotate(): Promise<void>
  /** Stops publishing all keys but the current one: their tokens are refused from then on. */
  dropOld(): Promise<void>
}

/** Rotating without dropping goes on for ever; what is older than this falls out. */
const MAX_KEYS = 8

/** Opens the key file, making it with one key if there is none. Throws when it holds something else. */
export async function openSigningKeys(file: string): Promise<SigningKeys> {
  await writableFolder(dirname(file))
  let keys = await loadKeys(file)
  const replace = async (next: readonly SigningKey[]) => {
    await save(file, next)
    keys = next
  }
  if (keys.length === 0) await replace([await newKey()])
  return {
    current: () => first(keys, file),
    all: () => keys,
    rotate: async () => replace([await newKey(), ...keys].slice(0, MAX_KEYS)),
    dropOld: () => replace([first(keys, file)]),
  }
}

function first(keys: readonly SigningKey[], file: string): SigningKey {
  const [key] = keys
  if (key === undefined) throw new Error(`${file}: holds no key; delete it and start again`)
  return key
}

async function newKey(): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true, modulusLength: 2048 })
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: 'RS256', use: 'sig' }
}

async function loadKeys(file: string): Promise<readonly SigningKey[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
  const content: unknown = JSON.parse(text)
  if (Array.isArray(content) && content.every(isSigningKey)) return content
  throw new Error(`${file}: is not a list of RS256 private keys; delete it and start again (old tokens then end)`)
}

function isSigningKey(value: unknown): value is SigningKey {
  if (typeof value !== 'object' || value === null) return false
  return 'kid' in value && typeof value.kid === 'string' && 'alg' in value && value.alg === 'RS256' && 'd' in value
}

async function save(file: string, keys: readonly SigningKey[]): Promise<void> {
  await replaceFile(file, JSON.stringify(keys))
}
