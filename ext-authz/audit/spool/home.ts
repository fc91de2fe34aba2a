import { dropBallast, fillBallast } from './ballast.ts'
import { attempt, isFull, type SpoolFiles } from './files.ts'
import { isLocked, takeLock } from './lock.ts'

/** A spool's folder while this process writes there: that it exists, is ours alone, and keeps room for the last words. */
export class SpoolHome {
  readonly #files: SpoolFiles
  readonly #folder: string
  readonly #boot: string
  #release: () => void

  /** Makes the folder where it is missing and takes it; throws where another process has it, or it cannot be used. */
  constructor(files: SpoolFiles, folder: string, boot: string) {
    this.#files = files
    this.#folder = folder
    this.#boot = boot
    files.makeFolder(folder)
    try {
      this.#release = takeLock(folder, boot)
    } catch (error) {
      if (!isFull(error)) throw error
      // A lock is only a name, but the folder may have to grow for it: it gets the room of the ballast.
      this.giveRoom()
      this.#release = takeLock(folder, boot)
    }
  }

  /** Makes the folder, and the lock in it, where somebody has removed them. Throws. */
  restore(): void {
    this.#files.makeFolder(this.#folder)
    if (!isLocked(this.#folder, this.#boot)) this.#release = takeLock(this.#folder, this.#boot)
  }

  /** Keeps room for the last words. Throws when there is none. */
  keepRoom(): void {
    fillBallast(this.#files, this.#folder)
  }

  /** Gives the kept room to whoever comes first; what keeps it from that keeps the last words out too. */
  giveRoom(): void {
    attempt(() => dropBallast(this.#files, this.#folder))
  }

  /** Gives the folder back; without that, the next one finds that its writer is dead. */
  leave(): void {
    attempt(() => this.#release())
  }
}
