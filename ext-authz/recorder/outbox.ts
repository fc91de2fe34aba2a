import { setTimeout as pause } from 'node:timers/promises'
import { NO_ROOT } from '../audit/roots.ts'
import type { SigningKey } from '../audit/signing-key.ts'
import { isFull } from '../audit/spool/files.ts'
import type { DroppedMonth } from '../store/batch.ts'
import { RootTaken } from '../store/errors.ts'
import type { AuditWriter } from '../store/writer.ts'
import { type Kept, keepBatch, readBatch } from './batch-file.ts'
import { type Patience, patiently } from './patience.ts'
import { type Draft, type Prepared, prepare, prepareDropped, type RecorderState } from './prepared.ts'
import type { Reserve } from './reserve.ts'
import type { Sender } from './sender.ts'

export interface OutboxOptions {
  /** Where the newest batch is kept. */
  readonly file: string
  /** Room for the next batch on a full disk. */
  readonly reserve: Reserve
  readonly node: string
  readonly key: SigningKey
  readonly writer: AuditWriter
  readonly sender: Sender
  readonly patience: Patience
  /** Told when another root had the number of ours already. */
  readonly rootTaken: (error: RootTaken) => void
  /** Epoch ms. */
  readonly now: () => number
}

type After = Draft['after']

const ROOT_TAKEN_PAUSE_MS = 1_000

/**
 * Batches on their way: each is kept on disk before it is sent and until the next one is, so that it is sent again with the same bytes
 * whatever dies, and the numbers of roots have no gaps. One call at a time.
 */
export class Outbox {
  readonly #options: OutboxOptions
  #kept: Kept | undefined
  /** Whether the kept batch is in the store. */
  #sent = false

  private constructor(options: OutboxOptions, kept: Kept | undefined) {
    this.#options = options
    this.#kept = kept
  }

  /** Reads what the recorder before has kept. Throws where that was changed, or is of another node. */
  static async open(options: OutboxOptions): Promise<Outbox> {
    const kept = await readBatch(options.file)
    if (kept !== undefined && 'root' in kept && kept.root.node !== options.node) {
      // Keys of rows are made of the node's name: what waits under the old one would become a second row.
      throw new Error(
        `${options.file} is of node ${kept.root.node}, not ${options.node}: set SALLYPORT_NODE to that name again`,
      )
    }
    await options.reserve.keep(options.now())
    return new Outbox(options, kept)
  }

  /** What holds once all that was kept is in the store; undefined before the first batch. */
  get state(): RecorderState | undefined {
    return this.#kept?.after
  }

  /** Sends what the recorder before had kept: it may be in the store or not, and sending it twice changes nothing. */
  async resume(): Promise<void> {
    if (this.#sent || this.#kept === undefined || !('root' in this.#kept)) return
    await this.#deliver(this.#kept)
  }

  /** Writes a batch. Resolves with the state that holds now. */
  async send({ entries, ended }: Pick<Draft, 'entries' | 'ended'>, after: After): Promise<RecorderState> {
    const { key } = this.#options
    return this.#deliver(prepare({ ...(await this.#draft(after)), entries, ended }, key))
  }

  /** Writes the signed entry of a month that will be dropped. */
  async signDropped(month: DroppedMonth, after: After): Promise<RecorderState> {
    return this.#deliver(prepareDropped(await this.#draft(after), month, this.#options.key))
  }

  /** Keeps a state to which nothing was to be written. */
  async keepState(after: After): Promise<RecorderState> {
    const kept = { after: { ...after, ...(await this.#root()) } }
    await this.#keep(kept)
    return kept.after
  }

  async #deliver(first: Prepared): Promise<RecorderState> {
    for (let prepared = first; ; ) {
      await this.#keep(prepared)
      const taken = await this.#options.sender.send(prepared).then(() => undefined, onlyRootTaken)
      if (taken === undefined) {
        this.#sent = true
        await this.#options.reserve.keep(this.#options.now())
        return prepared.after
      }
      this.#options.rootTaken(taken)
      await pause(ROOT_TAKEN_PAUSE_MS, undefined, { signal: this.#options.patience.signal })
      prepared = this.#renumbered(prepared, await this.#lastRoot())
    }
  }

  async #keep(kept: Kept): Promise<void> {
    const { patience, file, reserve } = this.#options
    await patiently(patience, async () => {
      try {
        await keepBatch(file, kept)
      } catch (error) {
        if (!isFull(error) || !(await reserve.give())) throw error
        await keepBatch(file, kept)
      }
    })
    this.#kept = kept
    this.#sent = false
  }

  /** The same batch behind another root. */
  #renumbered({ entries, ended, root, after }: Prepared, from: Draft['from']): Prepared {
    const { node, key, now } = this.#options
    const draft = { node, from, entries, ended, after, madeAt: now() }
    if (root.kind === 'batch') return prepare(draft, key)
    return prepareDropped(draft, JSON.parse(root.leaves.toString('utf8')) as DroppedMonth, key)
  }

  async #draft(after: After): Promise<Draft> {
    const { node, now } = this.#options
    return { node, from: await this.#root(), entries: [], ended: [], after, madeAt: now() }
  }

  /** Root that the next batch follows. A recorder without its folder asks the store. */
  async #root(): Promise<Draft['from']> {
    return this.#kept?.after ?? (await this.#lastRoot())
  }

  async #lastRoot(): Promise<Draft['from']> {
    const { patience, writer, node } = this.#options
    return (await patiently(patience, () => writer.lastRoot(node))) ?? { number: 0, root: NO_ROOT }
  }
}

function onlyRootTaken(error: unknown): RootTaken {
  if (error instanceof RootTaken) return error
  throw error
}
