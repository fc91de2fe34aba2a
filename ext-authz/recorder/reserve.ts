import { open, rm, stat } from 'node:fs/promises'

/** Two of the largest batches: the one that is kept, and the one that takes its place. */
const RESERVE_BYTES = 2 ** 24
const PIECE = Buffer.alloc(2 ** 20)
/** A full disk is tried again after this, ms. */
const AGAIN_AFTER_MS = 10_000

/**
 * Room on the recorder's disk that is kept for its next batch: while PostgreSQL is away the backlog may fill the disk, and without
 * room for the file that goes before every batch nothing could ever leave it again.
 */
export class Reserve {
  readonly #file: string
  readonly #bytes: number
  #kept = false
  #notBefore = Number.NEGATIVE_INFINITY

  constructor(file: string, bytes: number = RESERVE_BYTES) {
    this.#file = file
    this.#bytes = bytes
  }

  /** Keeps the room where it is not kept yet. A disk that has none, or refuses, is tried again later: the batch itself will say what is wrong. `now`: epoch ms. */
  async keep(now: number): Promise<void> {
    if (this.#kept || now < this.#notBefore) return
    try {
      await this.#fill()
      this.#kept = true
    } catch {
      this.#notBefore = now + AGAIN_AFTER_MS
      await rm(this.#file, { force: true }).catch(() => undefined)
    }
  }

  /** Gives the room up for the file that needs it now; false where there is none. */
  async give(): Promise<boolean> {
    if (!this.#kept) return false
    this.#kept = false
    await rm(this.#file, { force: true })
    return true
  }

  async #fill(): Promise<void> {
    const size = await stat(this.#file).then(
      (found) => found.size,
      () => 0,
    )
    // What the recorder before has kept.
    if (size === this.#bytes) return
    await using handle = await open(this.#file, 'w', 0o600)
    for (let at = 0; at < this.#bytes; at += PIECE.length) {
      await handle.writeFile(PIECE.subarray(0, Math.min(PIECE.length, this.#bytes - at)))
    }
    // A file system may take what it has no room for, and say so only here.
    await handle.datasync()
  }
}
