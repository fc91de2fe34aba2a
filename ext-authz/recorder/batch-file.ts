import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { writeDurably } from '../audit/durable-file.ts'
import type { AuditOutcome } from '../store/audit-row.ts'
import type { BatchRoot } from '../store/batch.ts'
import type { Entry } from './entry.ts'
import { unlessMissing } from './log-files.ts'
import type { Prepared, RecorderState } from './prepared.ts'

/** Format and version: `SPBATCH1` ‖ length of the header (u32) ‖ header (JSON) ‖ bytes of the parts, one after the other ‖ SHA-256 of all. */
const MAGIC = Buffer.from('SPBATCH1')
const HASH_BYTES = 32

/** Name of the file in the recorder's folder: the newest batch, with all cursors. */
export const BATCH_FILE = 'batch'

/** What the file holds: the newest batch, or, where nothing was written, the state alone. */
export type Kept = Prepared | { readonly after: RecorderState }

/** Header of the file; bytes are hex, or stand behind it. */
interface Header {
  readonly after: Omit<RecorderState, 'root'> & { readonly root: string }
  readonly batch: BatchHeader | undefined
}

interface BatchHeader {
  readonly ended: Prepared['ended']
  readonly root: Omit<BatchRoot, BytesOfRoot> & Readonly<Record<Exclude<BytesOfRoot, 'leaves'>, string>>
  readonly leaves: number
  readonly entries: readonly EntryHeader[]
}

type BytesOfRoot = 'previous' | 'root' | 'signature' | 'leaves'

/** Of an entry: kind, timestamp, id, outcome, event, lengths of the decision and of the line (-1: none), sure. */
type EntryHeader = readonly [Entry['kind'], number, string, AuditOutcome | '', string, number, number, boolean]

/**
 * Keeps the newest batch, whole or not at all: whatever kills the recorder, the same batch can be sent again, and then the state
 * behind it holds. One sync of a file and one of its folder for each batch.
 */
export async function keepBatch(file: string, kept: Kept): Promise<void> {
  const parts: Buffer[] = []
  const batch = 'root' in kept ? packBatch(kept, parts) : undefined
  const { root, ...after } = kept.after
  const header = Buffer.from(JSON.stringify({ after: { ...after, root: hex(root) }, batch } satisfies Header))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(header.length)
  const body = Buffer.concat([MAGIC, length, header, ...parts])
  await writeDurably(file, Buffer.concat([body, hash('sha256', body, 'buffer')]))
}

/** Reads it back; undefined where there is none. Throws, naming the file, where it was changed: what is settled is not known then. */
export async function readBatch(file: string): Promise<Kept | undefined> {
  const bytes = await readFile(file).catch(unlessMissing(undefined))
  if (bytes === undefined) return undefined
  const body = bytes.subarray(0, -HASH_BYTES)
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) throw broken(file, 'does not begin with SPBATCH1')
  if (!hash('sha256', body, 'buffer').equals(bytes.subarray(-HASH_BYTES))) throw broken(file, 'does not match its hash')
  const start = MAGIC.length + 4
  const end = start + body.readUInt32BE(MAGIC.length)
  const { after, batch } = JSON.parse(body.toString('utf8', start, end)) as Header
  const state = { ...after, root: bytesOf(after.root) }
  return batch === undefined ? { after: state } : { ...unpackBatch(batch, body.subarray(end)), after: state }
}

const broken = (file: string, how: string) =>
  new Error(
    `${file}: ${how}, so it is not known what was recorded; move it away to record all that is on disk again (no row is written twice)`,
  )

function packBatch({ entries, ended, root }: Prepared, parts: Buffer[]): BatchHeader {
  const { leaves, previous, root: hashed, signature, ...words } = root
  parts.push(leaves)
  const headers = entries.map((entry) => packEntry(entry, parts))
  const signed = { ...words, previous: hex(previous), root: hex(hashed), signature: hex(signature) }
  return { ended, root: signed, leaves: leaves.length, entries: headers }
}

function packEntry(entry: Entry, parts: Buffer[]): EntryHeader {
  const { kind, timestamp, id, decision } = entry
  const line = entry.kind === 'superseded' ? undefined : entry.line
  if (decision !== undefined) parts.push(decision.json)
  if (line !== undefined) parts.push(line)
  const outcome = entry.kind === 'row' ? entry.outcome : entry.kind === 'late' ? entry.otherwise : ''
  const lengths = [decision?.json.length ?? -1, line?.length ?? -1] as const
  return [kind, timestamp, id, outcome, decision?.event ?? '', ...lengths, entry.kind === 'row' && entry.sure]
}

function unpackBatch({ ended, root, leaves, entries }: BatchHeader, bytes: Buffer): Omit<Prepared, 'after'> {
  let at = 0
  const next = (length: number) => {
    at += length
    return bytes.subarray(at - length, at)
  }
  const { previous, root: hashed, signature, ...words } = root
  const signed = { ...words, previous: bytesOf(previous), root: bytesOf(hashed), signature: bytesOf(signature) }
  return {
    ended,
    root: { ...signed, leaves: next(leaves) },
    entries: entries.map((header) => unpackEntry(header, next)),
  }
}

function unpackEntry(header: EntryHeader, next: (length: number) => Buffer): Entry {
  const [kind, timestamp, id, outcome, event, decisionLength, lineLength, sure] = header
  const decision = decisionLength === -1 ? undefined : { event, json: next(decisionLength) }
  const line = lineLength === -1 ? undefined : next(lineLength)
  const key = { timestamp, id }
  if (kind === 'row' && outcome !== '') return { kind, ...key, outcome, decision, line, sure }
  if (kind === 'late' && outcome !== '' && line !== undefined)
    return { kind, ...key, decision, line, otherwise: outcome }
  if (kind === 'superseded' && decision !== undefined) return { kind, ...key, decision }
  throw new Error(`an entry of kind ${kind} without what belongs to it`)
}

const hex = (bytes: Buffer) => bytes.toString('hex')
const bytesOf = (text: string) => Buffer.from(text, 'hex')
