import { hash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { syncFolder, writeDurably } from '../audit/durable-file.ts'
import { AUDIT_OUTCOMES } from '../store/audit-row.ts'
import { type BatchRoot, ROOT_KINDS } from '../store/batch.ts'
import type { RowKey } from '../store/errors.ts'
import { asRow, type Entry, type LateEntry, type RowEntry } from './entry.ts'
import { unlessMissing } from './log-files.ts'

/** Folder of the dead letters inside the recorder's folder. */
export const LETTERS_FOLDER = 'dead-letters'
/** Most letters that are kept; more would mean that something is wrong with all rows, and then nothing may be put aside in silence. */
const MAX_LETTERS = 10_000
/** Bytes of an unreadable line that are kept. */
const MAX_LINE_BYTES = 65_536

/** Thrown where no more letters are taken. It passes when some were replayed or removed. */
export class LettersFull extends Error {
  override readonly name = 'LettersFull'
}

/** Why something was put aside. */
export interface Refusal {
  readonly reason: string
  /** Of PostgreSQL; undefined where it was not asked. */
  readonly sqlstate: string | undefined
}

/** What a letter holds: the halves of one row, and the number of the root that vouches for them (AU-8). */
export interface Letter extends Refusal {
  readonly file: string
  readonly node: string
  readonly root: number
  readonly entry: RowEntry | LateEntry
}

/** The folder of what PostgreSQL will not take, and of log lines that cannot be read. A file's name follows from what is in it. */
export class DeadLetters {
  readonly #folder: string
  readonly #node: string
  readonly #max: number
  #count: number

  private constructor(folder: string, node: string, count: number, max: number) {
    this.#folder = folder
    this.#node = node
    this.#count = count
    this.#max = max
  }

  /** Makes the folder (mode 0700) if need be. */
  static async open(folder: string, node: string, max: number = MAX_LETTERS): Promise<DeadLetters> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return new DeadLetters(folder, node, await countIn(folder), max)
  }

  get count(): number {
    return this.#count
  }

  /** Puts a row or a late completion aside. Twice the same is one letter. Rejects with {@link LettersFull}. */
  async put(entry: RowEntry | LateEntry, root: BatchRoot, refusal: Refusal): Promise<void> {
    await this.#makeRoom()
    await writeDurably(join(this.#folder, rootFile(root.number)), JSON.stringify(rootWire(root)))
    const name = letterFile(entry, entry.kind)
    const letter = { v: 1, ...refusal, node: this.#node, root: root.number, ...entryWire(entry) }
    await this.#write(name, JSON.stringify(letter))
  }

  /** The row of this key that was put aside: what else comes for it must wait for that one. */
  rowOf(key: RowKey): Promise<Letter['entry'] | undefined> {
    return rowLetter(this.#folder, key)
  }

  /** Puts a line of the log aside that makes no row. Rejects with {@link LettersFull}. */
  async putLine(line: Buffer, reason: string): Promise<void> {
    await this.#makeRoom()
    const kept = line.subarray(0, MAX_LINE_BYTES).toString('base64')
    const name = `line-${hash('sha256', line, 'hex').slice(0, 16)}.json`
    await this.#write(name, JSON.stringify({ v: 1, reason, node: this.#node, bytes: line.length, line: kept }))
  }

  async #write(name: string, text: string): Promise<void> {
    await writeDurably(join(this.#folder, name), text)
    this.#count += 1
  }

  /** Counts anew only at the limit: others take letters out. */
  async #makeRoom(): Promise<void> {
    if (this.#count < this.#max) return
    this.#count = await countIn(this.#folder)
    if (this.#count < this.#max) return
    throw new LettersFull(
      `${this.#folder}: ${this.#count} dead letters, at most ${this.#max} are kept; run sallyport audit replay, or look why nothing is taken`,
    )
  }
}

/** Reads the letters that hold a row, in order of time, a row before its late completion; `unreadable` is told of files that are none. */
export async function* readLetters(
  folder: string,
  unreadable: (file: string, why: string) => void,
): AsyncGenerator<Letter, void, undefined> {
  for (const name of (await readdir(folder)).filter((name) => ROW_LETTER.test(name)).toSorted(rowsFirst)) {
    const file = join(folder, name)
    const read = RowLetter.safeParse(jsonOf(await readFile(file, 'utf8')))
    if (read.success) yield letterOf(file, read.data)
    else unreadable(file, z.prettifyError(read.error))
  }
}

/** The row of a key that is among the letters in a folder. */
export async function rowLetter(folder: string, key: RowKey): Promise<Letter['entry'] | undefined> {
  const file = join(folder, letterFile(key, 'row'))
  const text = await readFile(file, 'utf8').catch(unlessMissing(undefined))
  const read = RowLetter.safeParse(text === undefined ? undefined : jsonOf(text))
  return read.success ? letterOf(file, read.data).entry : undefined
}

/** The root that a letter names. Throws, naming the file, where it cannot be read. */
export async function readLetterRoot(folder: string, number: number): Promise<BatchRoot> {
  const file = join(folder, rootFile(number))
  const read = RootWire.safeParse(jsonOf(await readFile(file, 'utf8')))
  if (!read.success) throw new Error(`${file}: ${z.prettifyError(read.error)}`)
  return read.data
}

/** Removes a letter for good; its root stays as long as another letter names it. */
export async function removeLetter(folder: string, letter: Letter): Promise<void> {
  await rm(letter.file, { force: true })
  await syncFolder(folder)
}

/** A root is written before the letter that names it, by a recorder that may be at work; younger ones are left alone, ms. */
const SPARE_AFTER_MS = 60_000

/** Removes roots that no letter names. `now`: epoch ms. */
export async function removeSpareRoots(folder: string, now: number): Promise<void> {
  const named = new Set<string>()
  for await (const { root } of readLetters(folder, () => undefined)) named.add(rootFile(root))
  for (const name of await readdir(folder)) {
    if (!ROOT_FILE.test(name) || named.has(name)) continue
    const file = join(folder, name)
    const { mtimeMs } = await stat(file)
    if (now - mtimeMs > SPARE_AFTER_MS) await rm(file)
  }
}

/** The entry as it was to be written. */
export const rowAnyway = (entry: RowEntry | LateEntry): RowEntry => (entry.kind === 'row' ? entry : asRow(entry))

const letterFile = ({ timestamp, id }: RowKey, kind: 'row' | 'late') => `${timestamp}-${id}.${kind}.json`

/** By key; of one key the row first. */
function rowsFirst(left: string, right: string): number {
  const key = (name: string) => name.replace(/\.(row|late)\.json$/, '')
  if (key(left) !== key(right)) return key(left) < key(right) ? -1 : 1
  return left < right ? 1 : -1
}

const ROW_LETTER = /^-?\d+-[0-9a-f-]{36}\.(row|late)\.json$/
const ROOT_FILE = /^root-\d+\.json$/
const rootFile = (number: number) => `root-${number}.json`

async function countIn(folder: string): Promise<number> {
  return (await readdir(folder)).filter((name) => ROW_LETTER.test(name) || /^line-.*\.json$/.test(name)).length
}

const Base64 = z.base64().transform((text): Buffer => Buffer.from(text, 'base64'))

const RowLetter = z.object({
  v: z.literal(1),
  reason: z.string(),
  sqlstate: z.string().optional(),
  node: z.string(),
  root: z.int().positive(),
  kind: z.enum(['row', 'late'] satisfies Entry['kind'][]),
  timestamp: z.int(),
  id: z.string(),
  outcome: z.enum(AUDIT_OUTCOMES),
  sure: z.boolean(),
  event: z.string().optional(),
  decision: Base64.optional(),
  line: Base64.optional(),
})

function letterOf(file: string, letter: z.infer<typeof RowLetter>): Letter {
  const { reason, sqlstate, node, root, kind, timestamp, id, outcome, sure, event, line } = letter
  const decision = letter.decision === undefined ? undefined : { json: letter.decision, event: event ?? '' }
  const key = { timestamp, id, decision }
  const entry: Letter['entry'] =
    kind === 'late' && line !== undefined
      ? { kind, ...key, line, otherwise: outcome }
      : { kind: 'row', ...key, line, outcome, sure }
  return { file, reason, sqlstate, node, root, entry }
}

function entryWire(entry: RowEntry | LateEntry): Record<string, unknown> {
  const { kind, timestamp, id, decision, line } = entry
  return {
    kind,
    timestamp,
    id,
    outcome: kind === 'row' ? entry.outcome : entry.otherwise,
    sure: kind === 'row' && entry.sure,
    event: decision?.event,
    decision: decision?.json.toString('base64'),
    line: line?.toString('base64'),
  }
}

const RootWire = z.object({
  kind: z.enum(ROOT_KINDS),
  node: z.string(),
  number: z.int(),
  made_at: z.int(),
  previous: Base64,
  leaves: Base64,
  leaf_count: z.int(),
  root: Base64,
  signature: Base64,
  key_id: z.string(),
})

function rootWire(root: BatchRoot): Record<string, unknown> {
  const { previous, leaves, root: hashed, signature, ...words } = root
  const base64 = (bytes: Buffer) => bytes.toString('base64')
  return {
    ...words,
    previous: base64(previous),
    leaves: base64(leaves),
    root: base64(hashed),
    signature: base64(signature),
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
