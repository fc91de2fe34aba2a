/**
 * When records are written: all of a turn of the event loop together at its end (AU-1). Where the turn before had but one, requests come
 * one at a time and nobody else's record is worth waiting for: the first is then written as soon as the code that added it is done.
 */
export class Turn {
  readonly #write: () => void
  #records = 0
  #wasAlone = false

  /** `write` may find nothing to write. */
  constructor(write: () => void) {
    this.#write = write
  }

  /** A record was added. */
  added(): void {
    this.#records += 1
    if (this.#records > 1) return
    setImmediate(this.#end)
    if (this.#wasAlone) queueMicrotask(this.#write)
  }

  readonly #end = (): void => {
    this.#wasAlone = this.#records === 1
    this.#records = 0
    this.#write()
  }
}
