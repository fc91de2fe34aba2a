import type { Log } from '../../../runtime/log.ts'
import { alarm } from '../../alarm.ts'
import { Failure } from './failure.ts'
import { attempt, codeOf, SPOOL_FILES, type SpoolFiles } from './files.ts'
import { SpoolHome } from './home.ts'
import { Journal, type JournalOptions } from './journal.ts'
import { type Mended, mend } from './mend.ts'
import type { SpoolState } from './state.ts'
import { Syncing } from './syncing.ts'
import { Telling, type Told } from './telling.ts'
import { Turn } from './turn.ts'

/** How a worker's spool is opened. `boot` is unlike that of every other opening; the folder is this worker's own, made when missing. */
export interface SpoolOptions extends JournalOptions {
  /** `strict` tells after `fdatasync`, `group` after the write; the sync follows within 20 ms. */
  readonly mode: 'group' | 'strict'
  readonly log: Log
  /** Gets the seconds that each round of `fdatasync` took. */
  readonly onSync?: (seconds: number) => void
  /** For faults; the machine's file system by default. */
  readonly fs?: SpoolFiles
}

/** A turn that has grown to this is written before it ends. */
const MAX_TURN_BYTES = 2 ** 20
const LOOK_EVERY_MS = 250
/** A second failed sync within this time is no accident. */
const REWRITE_EVERY_MS = 1000
/** Rounds of sync that closing waits for. */
const CLOSING_ROUNDS = 5

/**
 * A worker's decisions on disk before they are answered (AU-1): written together or at once (turn.ts), in segments that rotate, with a
 * chain of hashes over all of them. Only `open` throws: what cannot be written is told so, and a spool that cannot write tries again by
 * itself.
 */
export class Spool {
  readonly #options: SpoolOptions
  readonly #home: SpoolHome
  readonly #journal: Journal
  readonly #syncing: Syncing
  readonly #telling: Telling
  readonly #turn = new Turn(() => this.#flush())
  readonly #raise: (facts: { code: string; err: unknown }) => void
  readonly #looking: NodeJS.Timeout
  readonly #errors = new Map<string, number>()
  readonly #tornBytes: number
  /** Of the records that are not written yet. */
  #told: Told[] = []
  #failure: Failure | undefined
  /** Epoch ms of the oldest write that is not synced. */
  #oldest = 0
  #roundBegan = 0
  #rewrittenAt = Number.NEGATIVE_INFINITY
  #closed: Promise<void> | undefined

  /** Takes the folder and mends what a predecessor left. Throws where another process writes there, or the folder cannot be used. */
  static async open(options: SpoolOptions): Promise<Spool> {
    const home = new SpoolHome(options.fs ?? SPOOL_FILES, options.folder, options.boot)
    try {
      return new Spool(options, home, await mend(options))
    } catch (error) {
      home.leave()
      throw error
    }
  }

  private constructor(options: SpoolOptions, home: SpoolHome, mended: Mended) {
    this.#options = options
    const files = options.fs ?? SPOOL_FILES
    this.#home = home
    this.#tornBytes = mended.tornBytes
    this.#telling = new Telling(options)
    this.#journal = new Journal(options, files, mended)
    this.#raise = alarm(options.now, (facts) => options.log.error(facts, 'ALARM: the decision spool cannot be written'))
    this.#syncing = new Syncing({
      unsynced: this.#journal.unsynced,
      files,
      folder: options.folder,
      eager: options.mode === 'strict',
      begin: () => this.#roundBegins(),
      done: (upTo, seconds) => this.#synced(upTo, seconds),
      failed: (error) => this.#syncFailed(error),
    })
    // On a full disk there is none; the first record that cannot be written finds that out.
    attempt(() => home.keepRoom())
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
  }

  /**
   * Adds one record to the next write. `written` gets its event id after the write (strict: after the sync), undefined when it could
   * not be written. Never throws.
   */
  append(json: string, written: Told): void {
    const isReady = this.#ready()
    if (!isReady || !this.#add('decision', json, written)) {
      if (isReady) this.#alarm(new Error(`a record of ${json.length} characters is too long, or the disk too slow`))
      this.#refuse([written])
    } else if (this.#journal.unsynced.pending >= MAX_TURN_BYTES) this.#flush()
  }

  /** How it stands. */
  state(): SpoolState {
    const { unsynced, counts, segmentBytes, turnFirst } = this.#journal
    return {
      health: this.#failure?.health ?? 'ok',
      code: this.#failure?.code,
      sequence: turnFirst - 1,
      segmentBytes,
      unsyncedBytes: unsynced.bytes,
      unsyncedMs: unsynced.bytes === 0 ? 0 : Math.max(0, this.#options.now() - this.#oldest),
      counts: { ...counts, refused: this.#telling.refused, tornBytes: this.#tornBytes, errors: this.#errors },
    }
  }

  /** Writes and syncs what there is, ends the segment and gives the folder back. Takes no more records. Never rejects. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    clearInterval(this.#looking)
    this.#flush()
    this.#journal.end()
    const { unsynced } = this.#journal
    const isLeft = () => this.#syncing.running || unsynced.dirty || unsynced.orphaned
    for (let round = 0; round < CLOSING_ROUNDS && isLeft(); round++) {
      if (unsynced.orphaned) this.#rewrite()
      await this.#syncing.now()
    }
    if (unsynced.bytes > 0) {
      this.#options.log.error({ bytes: unsynced.bytes }, 'the decision spool was closed with records not on the disk')
    }
    this.#telling.refuseWaiting()
    this.#home.leave()
  }

  /** True when a record can be added; begins a turn where there is none. */
  #ready(): boolean {
    if (this.#told.length > 0) return true
    const failure = this.#failure
    if (this.#closed !== undefined || this.#journal.unsynced.orphaned) return false
    if (failure !== undefined && !this.#recovers(failure)) return false
    this.#journal.beginTurn()
    if (failure !== undefined) this.#add('note', failure.lastWords(this.#options.now()), ignore)
    return true
  }

  #add(kind: 'decision' | 'note', json: string, told: Told): boolean {
    if (!this.#journal.add(kind, json)) return false
    this.#told.push(told)
    this.#turn.added()
    return true
  }

  /** Writes what there is, and tells. */
  #flush(): void {
    const told = this.#told
    if (told.length === 0) return
    this.#told = []
    const first = this.#journal.turnFirst
    const { records, error } = this.#write()
    if (error === undefined) this.#recovered()
    else this.#fail(error)
    this.#syncing.soon()
    const turn = { first, told: records === told.length ? told : told.slice(0, records) }
    if (this.#options.mode === 'strict') this.#telling.wait(turn)
    else this.#telling.written(turn)
    if (records < told.length) this.#refuse(told.slice(records))
  }

  #write(): { records: number; error?: unknown } {
    const { counts, unsynced } = this.#journal
    const { segments } = counts
    if (unsynced.bytes === 0) this.#oldest = this.#options.now()
    const turn = this.#journal.writeTurn()
    if (counts.segments > segments) this.#syncing.folderChanged()
    return turn
  }

  #roundBegins(): number {
    this.#roundBegan = this.#options.now()
    return this.#journal.turnFirst - 1
  }

  #synced(upTo: number, seconds: number): void {
    this.#oldest = this.#roundBegan
    this.#options.onSync?.(seconds)
    this.#telling.synced(upTo)
  }

  /** What is not on the disk goes to new files, at once; after a second failure later, and nothing is taken until then. */
  #syncFailed(error: unknown): void {
    this.#journal.unsynced.orphan()
    this.#flush()
    const again = Math.abs(this.#options.now() - this.#rewrittenAt) < REWRITE_EVERY_MS
    if (again || this.#failure !== undefined) this.#fail(error)
    else {
      this.#alarm(error)
      this.#rewrite()
    }
    if (this.#journal.unsynced.orphaned) this.#telling.refuseWaiting()
  }

  #rewrite(): void {
    this.#rewrittenAt = this.#options.now()
    const error = attempt(() => this.#home.restore()) ?? this.#journal.rewrite()
    this.#syncing.folderChanged()
    if (error === undefined) this.#syncing.soon()
    else this.#fail(error)
  }

  /** From now on nothing is taken; the segment ends, so that the recorder can delete it. */
  #fail(error: unknown): void {
    this.#alarm(error)
    const isNew = this.#failure === undefined
    this.#failure ??= new Failure(error, this.#options.now())
    if (isNew && this.#failure.health === 'full') this.#lastWords(this.#failure)
    this.#journal.end()
  }

  /** The room that was kept for it takes the note that the spool is full; in a segment of its own where this one may not grow. */
  #lastWords({ firstWords }: Failure): void {
    this.#home.giveRoom()
    for (let segment = 0; segment < 2; segment++) {
      this.#journal.beginTurn()
      if (this.#journal.add('note', firstWords) && this.#write().error === undefined) return
      this.#journal.end()
    }
  }

  /** Tries again, now and then: true when there is a folder of ours with room in it, and nothing old is left to be written. */
  #recovers(failure: Failure): boolean {
    if (!failure.mayTry(this.#options.now())) return false
    const { unsynced } = this.#journal
    if (unsynced.orphaned) this.#rewrite()
    if (unsynced.orphaned || unsynced.bytes > 0) return false
    const error = attempt(() => {
      this.#home.restore()
      this.#home.keepRoom()
    })
    if (error !== undefined) this.#alarm(error)
    return error === undefined
  }

  #recovered(): void {
    if (this.#failure === undefined) return
    const { code, since, refused } = this.#failure
    this.#failure = undefined
    this.#options.log.warn({ code, since, refused }, 'the decision spool is written again')
  }

  #look(): void {
    if (this.#told.length > 0) return
    if (this.#failure !== undefined && this.#journal.unsynced.orphaned) this.#recovers(this.#failure)
    else this.#journal.endIdle()
    this.#syncing.soon()
  }

  #refuse(told: readonly Told[]): void {
    if (this.#failure !== undefined) this.#failure.refused += told.length
    this.#telling.refuse(told)
  }

  #alarm(error: unknown): void {
    const code = codeOf(error)
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1)
    this.#raise({ code, err: error })
  }
}

function ignore(): void {
  // A note of the spool itself: nobody waits for it.
}
