import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { makeRoot, NO_ROOT, packLeaves, readLeaves, verifyRoot } from '../../../ext-authz/audit/roots.ts'
import { keyId, openSigningKey, readPublicKey } from '../../../ext-authz/audit/signing-key.ts'
import { type BatchRoot, LEAF_KINDS, type Leaf } from '../../../ext-authz/store/batch.ts'

const pair = generateKeyPairSync('ed25519')
const key = { sign: pair.privateKey, id: keyId(pair.publicKey) }

const leaf: fc.Arbitrary<Leaf> = fc.record({
  kind: fc.constantFrom(...LEAF_KINDS),
  timestamp: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  id: fc.uuid(),
  hash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
})

function root(changes: Partial<BatchRoot> = {}): BatchRoot {
  const leaves = packLeaves([{ kind: 'decision', timestamp: 1, id: randomUUID(), hash: randomBytes(32) }])
  return makeRoot(
    { kind: 'batch', node: 'node-1', number: 2, made_at: 3, previous: NO_ROOT, leaves, leaf_count: 1, ...changes },
    key,
  )
}

test('AU-8 leaves come back as they were packed', () => {
  fc.assert(
    fc.property(fc.array(leaf, { maxLength: 20 }), (leaves) => {
      expect([...readLeaves(packLeaves(leaves))]).toEqual(leaves)
    }),
  )
  expect(() => [...readLeaves(Buffer.alloc(56))]).toThrow('56 bytes is no multiple of 57')
  expect(() => [...readLeaves(Buffer.alloc(57))]).toThrow('leaf 0: its kind is 0')
})

test('AU-8 a root that was not touched is found good', () => {
  expect(verifyRoot(root(), pair.publicKey, NO_ROOT)).toBeUndefined()
  const dropped = root({ kind: 'dropped', leaves: Buffer.from('{"month":"2026-08"}'), leaf_count: 0 })
  expect(verifyRoot(dropped, pair.publicKey, undefined)).toBeUndefined()
})

test.each<[string, (root: BatchRoot) => BatchRoot, string]>([
  ['node', (root) => ({ ...root, node: 'node-2' }), 'root'],
  ['number', (root) => ({ ...root, number: 3 }), 'root'],
  ['time', (root) => ({ ...root, made_at: 4 }), 'root'],
  ['kind', (root) => ({ ...root, kind: 'dropped', leaf_count: 0 }), 'root'],
  ['a leaf', (root) => ({ ...root, leaves: Buffer.concat([root.leaves.subarray(0, 56), Buffer.of(1)]) }), 'root'],
  ['a missing leaf', (root) => ({ ...root, leaves: Buffer.alloc(0) }), 'leaf_count'],
  ['a missing leaf and its count', (root) => ({ ...root, leaves: Buffer.alloc(0), leaf_count: 0 }), 'root'],
  ['root before', (root) => ({ ...root, previous: randomBytes(32) }), 'previous'],
  ['signature', (root) => ({ ...root, signature: randomBytes(64) }), 'signature'],
  [
    'content and root',
    (root) => ({ ...makeRoot({ ...root, number: 9 }, key), signature: root.signature }),
    'signature',
  ],
  [
    'everything, by someone with another key',
    (root) => makeRoot({ ...root, number: 9 }, { sign: generateKeyPairSync('ed25519').privateKey, id: 'ab' }),
    'key',
  ],
])('AU-8 a root whose %s was changed is named', (_, change, fault) => {
  expect(verifyRoot(change(root()), pair.publicKey, NO_ROOT)).toBe(fault)
})

test('AU-8 the signing key is made once, for its owner only, and never replaced', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-key-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const made = await openSigningKey(folder)
  const file = join(folder, 'signing-key.pem')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect((await openSigningKey(folder)).id).toBe(made.id)
  expect(keyId(await readPublicKey(join(folder, 'signing-key.pub.pem')))).toBe(made.id)
  writeFileSync(file, readFileSync(file, 'utf8').replace(/M[A-Za-z0-9+/]{20}/, 'broken'))
  await expect(openSigningKey(folder)).rejects.toThrow()
  expect(readFileSync(file, 'utf8')).toContain('broken')
})
