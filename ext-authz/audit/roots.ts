import { createHash, type KeyObject, sign, verify } from 'node:crypto'
import { type BatchRoot, LEAF_KINDS, type Leaf, ROOT_KINDS, type RootKind } from '../store/batch.ts'
import { keyId } from './signing-key.ts'

/** Bytes of one leaf: kind (u8, 1 + its place in LEAF_KINDS), timestamp (i64, µs), id (16), hash (32); numbers big-endian. */
const LEAF_BYTES = 57
const HASH_BYTES = 32
const ID_AT = 9
const HASH_AT = 25

/** `previous` of a node's first root. */
export const NO_ROOT: Buffer = Buffer.alloc(HASH_BYTES)

/** The wire form of leaves, in their order. Throws where an id is no UUID or a hash has not 32 bytes: a fault of ours. */
export function packLeaves(leaves: readonly Leaf[]): Buffer {
  const wire = Buffer.alloc(leaves.length * LEAF_BYTES)
  for (const [index, { kind, timestamp, id, hash }] of leaves.entries()) {
    const at = index * LEAF_BYTES
    wire.writeUInt8(LEAF_KINDS.indexOf(kind) + 1, at)
    wire.writeBigInt64BE(BigInt(timestamp), at + 1)
    if (wire.write(id.replaceAll('-', ''), at + ID_AT, 'hex') !== 16)
      throw new Error(`leaf ${index}: its id is no UUID`)
    if (hash.length !== HASH_BYTES)
      throw new Error(`leaf ${index}: its hash has ${hash.length} bytes, not ${HASH_BYTES}`)
    hash.copy(wire, at + HASH_AT)
  }
  return wire
}

/** Reads what {@link packLeaves} wrote. Throws, naming the leaf, where the wire form is broken. */
export function* readLeaves(wire: Buffer): Generator<Leaf, void, undefined> {
  if (wire.length % LEAF_BYTES !== 0) throw new Error(`leaves: ${wire.length} bytes is no multiple of ${LEAF_BYTES}`)
  for (let at = 0; at < wire.length; at += LEAF_BYTES) {
    const kind = LEAF_KINDS[wire.readUInt8(at) - 1]
    if (kind === undefined) throw new Error(`leaf ${at / LEAF_BYTES}: its kind is ${wire.readUInt8(at)}`)
    yield {
      kind,
      timestamp: Number(wire.readBigInt64BE(at + 1)),
      id: uuidText(wire.toString('hex', at + ID_AT, at + HASH_AT)),
      hash: wire.subarray(at + HASH_AT, at + LEAF_BYTES),
    }
  }
}

const uuidText = (hex: string) =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`

/** What a root says before it is hashed and signed. */
export type RootContent = Pick<BatchRoot, 'kind' | 'node' | 'number' | 'made_at' | 'previous' | 'leaves' | 'leaf_count'>

/** Hashes and signs a root. */
export function makeRoot(content: RootContent, key: { readonly sign: KeyObject; readonly id: string }): BatchRoot {
  const root = rootHash(content)
  return { ...content, root, signature: sign(undefined, root, key.sign), key_id: key.id }
}

const DOMAIN = 'sallyport audit root 1'

/**
 * SHA-256 of: `sallyport audit root 1` ‖ kind (u8) ‖ previous (32) ‖ length of node (u16) ‖ node ‖ number (u64) ‖ made_at (i64) ‖ leaves.
 * The length and the fixed sizes make it impossible that two different contents have the same bytes.
 */
function rootHash({ kind, node, number, made_at, previous, leaves }: Omit<RootContent, 'leaf_count'>): Buffer {
  const name = Buffer.from(node, 'utf8')
  const numbers = Buffer.alloc(16)
  numbers.writeBigUInt64BE(BigInt(number))
  numbers.writeBigInt64BE(BigInt(made_at), 8)
  return createHash('sha256')
    .update(DOMAIN)
    .update(Buffer.of(kindByte(kind)))
    .update(previous)
    .update(Buffer.of(name.length >> 8, name.length & 0xff))
    .update(name)
    .update(numbers)
    .update(leaves)
    .digest()
}

const kindByte = (kind: RootKind): number => ROOT_KINDS.indexOf(kind) + 1

/** What is wrong with a root. `key`: signed with another key than the one given. */
export type RootFault = 'previous' | 'leaf_count' | 'root' | 'key' | 'signature'

/**
 * Checks a root by itself and against the root before it: undefined where all is well, else what is wrong. `previous`: root of the batch
 * before ({@link NO_ROOT} for the first); undefined where that is not to be checked.
 */
export function verifyRoot(root: BatchRoot, publicKey: KeyObject, previous: Buffer | undefined): RootFault | undefined {
  if (previous !== undefined && !root.previous.equals(previous)) return 'previous'
  if (root.leaf_count !== (root.kind === 'batch' ? root.leaves.length / LEAF_BYTES : 0)) return 'leaf_count'
  if (!rootHash(root).equals(root.root)) return 'root'
  if (root.key_id !== keyId(publicKey)) return 'key'
  return verify(undefined, root.root, publicKey, root.signature) ? undefined : 'signature'
}
