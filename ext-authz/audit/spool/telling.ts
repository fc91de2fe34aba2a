import type { Log } from '../../../runtime/log.ts'
import { eventId } from '../decision.ts'

/** Told what became of a record: its event id, or undefined where it could not be written. */
export type Told = (event: string | undefined) => void

/** Records of one turn: the number of the first, and who is to be told of each. */
export interface ToldTurn {
  readonly first: number
  readonly told: readonly Told[]
}

/** Tells what became of records; those that wait for a sync are kept until then, in order. */
export class Telling {
  readonly #options: { readonly node: string; readonly boot: string; readonly log: Log }
  #waiting: ToldTurn[] = []
  #refused = 0

  constructor(options: { readonly node: string; readonly boot: string; readonly log: Log }) {
    this.#options = options
  }

  /** How many were told that their record was not written. */
  get refused(): number {
    return this.#refused
  }

  /** They are recorded. */
  written({ first, told }: ToldTurn): void {
    const { node, boot } = this.#options
    let sequence = first
    for (const tell of told) this.#tell(tell, eventId(node, boot, sequence++))
  }

  /** They are told when all up to their last number is synced. */
  wait(turn: ToldTurn): void {
    this.#waiting.push(turn)
  }

  /** All up to this sequence number is synced. */
  synced(upTo: number): void {
    const done = this.#waiting.filter(({ first, told }) => first + told.length - 1 <= upTo)
    this.#waiting = this.#waiting.slice(done.length)
    for (const turn of done) this.written(turn)
  }

  /** They are not recorded. */
  refuse(told: readonly Told[]): void {
    this.#refused += told.length
    for (const tell of told) this.#tell(tell, undefined)
  }

  /** Nobody waits any longer. Their records may still come to be on the disk: recorded, and refused. */
  refuseWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { told } of waiting) this.refuse(told)
  }

  /** A callback that throws may not keep the others from being told. */
  #tell(tell: Told, event: string | undefined): void {
    try {
      tell(event)
    } catch (error) {
      this.#options.log.error({ err: error, event }, 'telling what became of a decision has failed')
    }
  }
}
