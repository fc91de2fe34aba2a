import type { SpoolPosition, SpoolReader, SpoolRecord } from '../audit/spool/reader.ts'
import { countOf, inRanges, packRanges, type Ranges } from './ranges.ts'

/** Which records of one boot of a worker are settled: those up to `head` but not the `pending` ones. */
interface BootCursor {
  readonly boot: string
  /** Newest sequence number that was read. */
  readonly head: number
  readonly pending: Ranges
  /** Those of the pending ones whose request may have a row already. */
  readonly unsure: Ranges
}

/** Where a spool is to be read from after a restart, and what of it is to be passed over because it was settled already. */
export interface SpoolCursor {
  /** Before the oldest record that is not settled; undefined: from the beginning. */
  readonly start: SpoolPosition | undefined
  readonly boots: readonly BootCursor[]
}

/** A record to settle. */
export interface TakenRecord {
  readonly record: SpoolRecord
  /** What was known of it before a restart: undefined for one that is read for the first time. */
  readonly sure: boolean | undefined
  readonly settle: () => void
  /** It turned out that its request may have a row already. */
  readonly doubt: () => void
}

interface Unsettled {
  readonly boot: string
  readonly sequence: number
  readonly start: SpoolPosition | undefined
  sure: boolean
}

const READ = { records: 500, bytes: 1_048_576 }

/** Reads one worker's spool and knows which of the records that were read are not settled. */
export class SpoolTail {
  readonly #reader: SpoolReader
  /** Of before a restart, by boot. */
  readonly #known: ReadonlyMap<string, BootCursor>
  /** Newest sequence number of each boot that was read, in the order of reading. */
  readonly #heads = new Map<string, number>()
  /** In the order of reading. */
  readonly #unsettled = new Map<string, Unsettled>()
  #toReadAgain: number
  #end: SpoolPosition | undefined

  constructor(reader: SpoolReader, cursor: SpoolCursor | undefined) {
    this.#reader = reader
    this.#known = new Map(cursor?.boots.map((boot) => [boot.boot, boot]))
    for (const { boot, head } of cursor?.boots ?? []) this.#heads.set(boot, head)
    this.#end = cursor?.start
    this.#toReadAgain = (cursor?.boots ?? []).reduce((sum, { pending }) => sum + countOf(pending), 0)
  }

  /** True once what was unsettled before a restart has been read again: no cursor may be kept before. */
  get resumed(): boolean {
    return this.#toReadAgain <= 0
  }

  /** Next records; empty when there are none. Settled ones are left out, so fewer than were read may come: `more` tells. */
  async read(): Promise<{ readonly taken: readonly TakenRecord[]; readonly more: boolean }> {
    const records = await this.#reader.read(READ)
    const taken: TakenRecord[] = []
    for (const record of records) {
      const one = this.#take(record)
      if (one !== undefined) taken.push(one)
    }
    return { taken, more: records.length > 0 }
  }

  /** Whether an event was read, if the boot is one of this spool; undefined if it is not known here. */
  hasRead(boot: string, sequence: number): boolean | undefined {
    const head = this.#heads.get(boot)
    return head === undefined ? undefined : sequence <= head
  }

  cursor(): SpoolCursor {
    const first = this.#unsettled.values().next()
    const start = first.done ? this.#end : first.value.start
    const boots = [...this.#heads.keys()]
    // Nothing that lies before the start will be read again.
    const oldest = first.done ? boots.length - 1 : boots.indexOf(first.value.boot)
    return { start, boots: boots.slice(Math.max(oldest, 0)).map((boot) => this.#bootCursor(boot)) }
  }

  /** Deletes the segments that lie before a cursor which is safe on disk. */
  async deleteBefore({ start }: SpoolCursor): Promise<void> {
    if (start !== undefined) await this.#reader.deleteBefore(start)
  }

  #take(record: SpoolRecord): TakenRecord | undefined {
    const { event, sequence } = record
    const boot = event.slice(0, event.lastIndexOf('.'))
    const start = this.#end
    this.#end = record.end
    const known = this.#known.get(boot)
    const before = known !== undefined && sequence <= known.head
    // Settled before a restart; or written again to a new segment because its sync had failed.
    const again = before ? !inRanges(known.pending, sequence) : sequence <= (this.#heads.get(boot) ?? 0)
    if (again) return undefined
    if (before) this.#toReadAgain -= 1
    else {
      // All that was unsettled lies before what is new: what was not found by now is lost, and must not be waited for.
      this.#toReadAgain = 0
      this.#heads.set(boot, sequence)
    }
    const sure = before ? !inRanges(known.unsure, sequence) : undefined
    const unsettled = { boot, sequence, start, sure: sure ?? true }
    this.#unsettled.set(event, unsettled)
    const doubt = () => {
      unsettled.sure = false
    }
    return { record, sure, settle: () => void this.#unsettled.delete(event), doubt }
  }

  #bootCursor(boot: string): BootCursor {
    const pending = [...this.#unsettled.values()].filter((record) => record.boot === boot)
    return {
      boot,
      head: this.#heads.get(boot) ?? 0,
      pending: packRanges(pending.map(({ sequence }) => sequence)),
      unsure: packRanges(pending.filter(({ sure }) => !sure).map(({ sequence }) => sequence)),
    }
  }
}
