import type { SpoolFiles } from './files.ts'
import type { Unsynced } from './unsynced.ts'

/** A write is on the disk at most 20 ms later; the sync itself takes part of them. */
const WITHIN_MS = 15
/** From so many bytes on nobody waits. */
const AT_ONCE_BYTES = 2 ** 18

/** What syncing works with. */
export interface SyncingOptions {
  readonly unsynced: Unsynced
  readonly files: SpoolFiles
  readonly folder: string
  /** Each round begins as soon as it can: somebody waits for it. */
  readonly eager: boolean
  /** A round begins; returns the sequence number of the last record that is written. */
  readonly begin: () => number
  /** All up to this sequence number is on the disk; the round took `seconds`. */
  readonly done: (upTo: number, seconds: number) => void
  /** It may not be; the files of that round must not be written any more. */
  readonly failed: (error: unknown) => void
}

/** Brings what is written to the disk, one round at a time: within 20 ms, after 256 KiB, or at once. */
export class Syncing {
  readonly #options: SyncingOptions
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #folderToo = true

  constructor(options: SyncingOptions) {
    this.#options = options
  }

  /** True while a round is under way. */
  get running(): boolean {
    return this.#running !== undefined
  }

  /** A file was added to the folder: its name is to be brought to the disk as well. */
  folderChanged(): void {
    this.#folderToo = true
  }

  /** Something was written. */
  soon(): void {
    if (this.#running !== undefined || !this.#options.unsynced.dirty) return
    if (this.#options.eager || this.#options.unsynced.bytes >= AT_ONCE_BYTES) void this.now()
    else this.#timer ??= setTimeout(() => void this.now(), WITHIN_MS).unref()
  }

  /** One round, or the rest of the one under way. Never rejects. */
  now(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#running ??= this.#round()
    return this.#running
  }

  async #round(): Promise<void> {
    const { done, failed } = this.#options
    const began = performance.now()
    const upTo = this.#options.begin()
    const failure = await this.#sync().then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    this.#running = undefined
    if (failure === undefined) done(upTo, (performance.now() - began) / 1000)
    else failed(failure.error)
    this.soon()
  }

  async #sync(): Promise<void> {
    const { unsynced, files, folder } = this.#options
    const round = unsynced.round()
    const folderToo = this.#folderToo
    this.#folderToo = false
    try {
      for (const segment of round.segments) await segment.sync()
      if (folderToo) await files.syncFolder(folder)
    } catch (error) {
      this.#folderToo ||= folderToo
      throw error
    }
    unsynced.synced(round)
  }
}
