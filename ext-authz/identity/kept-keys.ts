import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLocalJWKSet, type JSONWebKeySet } from 'jose'
import { MAX_STALE_MS, type StoredKeys } from './key-set.ts'

/** Most files that are read at a start, and most bytes of one. */
const MAX_FILES = 256
const MAX_BYTES = 1 << 20

/** Keeps a set under the text that names whose it is, whole or not at all; throws when the disk does not take it. */
export async function keepKeys(folder: string, owner: string, { fetchedAt, keys }: StoredKeys): Promise<void> {
  const path = join(folder, `${createHash('sha256').update(owner).digest('hex').slice(0, 16)}.json`)
  const fresh = `${path}.${process.pid}`
  try {
    await writeFile(fresh, JSON.stringify({ owner, fetchedAt, keys }), { mode: 0o600 })
    await rename(fresh, path)
  } catch (error) {
    await rm(fresh, { force: true })
    throw error
  }
}

/**
 * The kept sets by owner; makes the folder when missing. A set too old to be believed (design.md §8) is removed: its issuer changed its
 * address or is gone. What this process did not write is left alone, and `skipped` hears of it.
 */
export async function readKeptKeys(
  folder: string,
  now: number,
  skipped: (file: string, error: unknown) => void,
): Promise<Map<string, StoredKeys>> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const kept = new Map<string, StoredKeys>()
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).slice(0, MAX_FILES)
  for (const name of names) {
    const file = join(folder, name)
    try {
      const { owner, ...stored } = await read(file)
      if (now - stored.fetchedAt > MAX_STALE_MS) await rm(file, { force: true })
      // A clock that went back would else make a set younger than it is.
      else kept.set(owner, { ...stored, fetchedAt: Math.min(stored.fetchedAt, now) })
    } catch (error) {
      skipped(file, error)
    }
  }
  return kept
}

async function read(file: string): Promise<StoredKeys & { readonly owner: string }> {
  const info = await stat(file)
  if (!info.isFile() || info.size > MAX_BYTES) throw new Error(`${file}: is no file of kept keys; remove it`)
  const value: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (!isKept(value)) throw new Error(`${file}: is no file of kept keys; remove it`)
  createLocalJWKSet(value.keys) // throws where a key is no JWK: better here than at a request
  return value
}

function isKept(value: unknown): value is StoredKeys & { readonly owner: string } {
  if (typeof value !== 'object' || value === null) return false
  const { owner, fetchedAt, keys }: { owner?: unknown; fetchedAt?: unknown; keys?: unknown } = value
  return typeof owner === 'string' && Number.isFinite(fetchedAt) && isKeySet(keys)
}

function isKeySet(value: unknown): value is JSONWebKeySet {
  if (typeof value !== 'object' || value === null || !('keys' in value) || !Array.isArray(value.keys)) return false
  return value.keys.length > 0 && value.keys.every((key: unknown) => typeof key === 'object' && key !== null)
}
