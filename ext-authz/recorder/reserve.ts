import { randomBytes } from 'node:crypto'
import { open, rm, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Twice what a batch has at most while a backlog is read. One of a long log that was lost may have more. */
const RESERVE_BYTES = 2 ** 24
const PIECE_BYTES = 2 ** 20
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
  #triedAt = Number.NEGATIVE_INFINITY

  constructor(file: string, bytes: number = RESERVE_BYTES) {
    this.#file = file
    this.#bytes = bytes
  }

  /**
   * Keeps the room where it is not kept yet. A disk that has less than twice of it free, or refuses, is tried again later: others need
   * what is left, and the batch itself will say what is wrong. `now`: epoch ms.
   */
  async keep(now: number): Promise<void> {
    if (this.#kept || Math.abs(now - this.#triedAt) < AGAIN_AFTER_MS) return
    this.#triedAt = now
    try {
      this.#kept = await this.#fill()
    } catch {
      await rm(this.#file, { force: true }).catch(() => undefined)
    }
  }

  /** Gives the room up for the file that needs it now; false where there is none. Rejects with the system's error. */
  async give(): Promise<boolean> {
    if (!this.#kept) return false
    await rm(this.#file, { force: true })
    this.#kept = false
    return true
  }

  async #fill(): Promise<boolean> {
    const size = await stat(this.#file).then(
      (found) => found.size,
      () => 0,
    )
    // What the recorder before has kept.
    if (size === this.#bytes) return true
    const { bavail, bsize } = await statfs(dirname(this.#file))
    if (bavail * bsize < 2 * this.#bytes) return false
    await using handle = await open(this.#file, 'w', 0o600)
    // Some file systems keep no room for zeros.
    const piece = randomBytes(PIECE_BYTES)
    for (let at = 0; at < this.#bytes; at += PIECE_BYTES) {
      await handle.writeFile(piece.subarray(0, Math.min(PIECE_BYTES, this.#bytes - at)))
    }
    // What there is no room for may be told only here.
    await handle.datasync()
    return true
  }
}
