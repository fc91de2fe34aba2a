import type { AdsCall } from './ads-stream.ts'

/** Responses that one stream may have written and not yet handed to the socket. */
const MAX_UNWRITTEN = 8

/** What the owner of an outlet hears. */
export interface OutletListener {
  /** There is room again after {@link Outlet.full} was true. */
  readonly onRoom: () => void
  /** The client took nothing for the time allowed. */
  readonly onStalled: () => void
}

/**
 * The write side of a stream. grpc-js buffers without limit (C40): so responses are counted until the socket has taken them, and a
 * client that takes none for `drainMs` is given up.
 */
export class Outlet {
  readonly #call: AdsCall
  readonly #drainMs: number
  readonly #listener: OutletListener
  #unwritten = 0
  #stalled: NodeJS.Timeout | undefined

  constructor(call: AdsCall, drainMs: number, listener: OutletListener) {
    this.#call = call
    this.#drainMs = drainMs
    this.#listener = listener
  }

  /** Whether more must wait. */
  get full(): boolean {
    return this.#unwritten >= MAX_UNWRITTEN
  }

  /** Hands one response over; ask {@link full} before. */
  write(bytes: Buffer): void {
    this.#unwritten += 1
    this.#stalled ??= setTimeout(this.#listener.onStalled, this.#drainMs)
    this.#call.write(bytes, () => this.#written())
  }

  /** Waits for nothing any more. */
  close(): void {
    clearTimeout(this.#stalled)
  }

  #written(): void {
    const wasFull = this.full
    this.#unwritten -= 1
    clearTimeout(this.#stalled)
    this.#stalled = this.#unwritten > 0 ? setTimeout(this.#listener.onStalled, this.#drainMs) : undefined
    if (wasFull) this.#listener.onRoom()
  }
}
