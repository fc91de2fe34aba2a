import { type Completion, isCompletion, readCompletion } from '../audit/completion.ts'
import { HalfError, readDecision } from '../audit/projection.ts'
import { Join, type JoinEvent } from './join.ts'
import { type LogChunk, LogTail, type LogTrouble } from './log-tail.ts'
import type { LogCursor, LogLine } from './open-log.ts'
import type { RecorderState } from './prepared.ts'
import type { SpoolTail, TakenRecord } from './spool-tail.ts'
import { type SpoolGap, Spools } from './spools.ts'

/** What is told as it happens. */
export interface IntakeTold {
  readonly event: (event: JoinEvent, requestId: string | undefined) => void
  readonly gap: (gap: SpoolGap) => void
  readonly logTrouble: (kind: LogTrouble, file: string) => void
  /** A worker's own remark in its spool, JSON. */
  readonly note: (json: string) => void
}

export interface IntakeOptions {
  readonly node: string
  readonly spoolFolder: string
  readonly logFolder: string
  /** Undefined at the very first start. */
  readonly from: RecorderState | undefined
  /** What may wait for its completion, in memory. */
  readonly limits: { readonly decisions: number; readonly bytes: number }
  /** Epoch ms. */
  readonly now: () => number
  readonly told: IntakeTold
  /** Called between any two halves, with all that was read being in `join` or settled: the caller may take and write it. */
  readonly relieve: () => Promise<void>
  /** Puts aside what is no half of a row. */
  readonly unreadable: (bytes: Buffer, why: string) => Promise<void>
}

/** Log lines are written within this after the request's end, and clocks are read by different processes, µs. */
const MARGIN_US = 1_000_000
/** How often a spool is read before the log is looked at again: a worker may write as fast as it is read. */
const READS_AT_END = 20
/** At the end of the log, log time is the time of the look less what Envoy may hold back, ms (facts/envoy.md §7). */
const FLUSHED_MS = 1_000

/** Reads log and spools in the one order that never takes a completion for one without a decision, and joins them. */
export class Intake {
  readonly join: Join
  readonly #options: IntakeOptions
  readonly #log: LogTail
  readonly #spools: Spools
  /** Where the log was dealt with up to. */
  #logAt: () => LogCursor | undefined
  /** By spool: when its newest record was decided, epoch µs. */
  readonly #decidedAt = new Map<SpoolTail, number>()
  #resumed = false

  constructor(options: IntakeOptions) {
    const { node, spoolFolder, logFolder, from, limits, now, told } = options
    const state = from?.join ?? { logTime: 0, endedBefore: 0, openedUntil: 0 }
    this.#options = options
    this.join = new Join({ node, state, limits, told: told.event })
    this.#log = new LogTail({ folder: logFolder, from: from?.log, now, trouble: told.logTrouble })
    this.#spools = new Spools(spoolFolder, from?.spools ?? {}, told.gap)
    this.#logAt = () => from?.log
  }

  /** Where everything that the join gave away so far has been read from. */
  cursors(): Pick<RecorderState, 'join' | 'log' | 'spools'> {
    return { join: this.join.state, log: this.#logAt(), spools: this.#spools.cursors() }
  }

  /** Deletes what lies before cursors that are safe on disk. */
  async deleteBefore({ log, spools }: Pick<RecorderState, 'log' | 'spools'>): Promise<void> {
    await this.#spools.deleteBefore(spools)
    if (log !== undefined) await this.#log.deleteBefore(log)
  }

  /** Reads the next part of the log and the decisions that belong to it. True where there may be more at once. */
  async look(): Promise<boolean> {
    await this.#spools.look()
    await this.#resume()
    const began = this.#options.now() * 1000
    // The log first: a decision is in its spool before its completion is in the log.
    const chunk = await this.#log.read()
    const lines = chunk.lines.map((line) => ({ line, read: readLine(line) }))
    const ends = lines.map(({ read }) => (isCompletion(read) ? endOf(read) : 0))
    const newest = Math.max(chunk.ended ?? 0, ...ends)
    for (const tail of this.#spools.tails) await (chunk.atEnd ? this.#readOn(tail) : this.#readTo(tail, newest))
    for (const { line, read } of lines) await this.#line(chunk, line, read)
    this.#finish(chunk)
    this.join.advance(chunk.atEnd ? began - FLUSHED_MS * 1000 : newest)
    await this.#options.relieve()
    return chunk.more
  }

  /** Bytes of the log that were not read. */
  logBytesBehind(): Promise<number> {
    return this.#log.behind()
  }

  /** Bytes of the spools that are not settled. */
  spoolBytesBehind(): Promise<number> {
    return this.#spools.behind()
  }

  close(): Promise<void> {
    return this.#log.close()
  }

  /** Reads again what was not settled before a restart, so that the next cursor has it. */
  async #resume(): Promise<void> {
    if (this.#resumed) return
    this.#resumed = true
    for (const tail of this.#spools.tails) {
      while (!tail.resumed && (await this.#take(tail)));
    }
  }

  /** The log has nothing more, so neither has a spool that would have to wait. */
  async #readOn(tail: SpoolTail): Promise<void> {
    for (let reads = 0; reads < READS_AT_END && (await this.#take(tail)); reads++) await this.#options.relieve()
  }

  /** While the log has more, no farther than it was read: what waits would fill the memory. */
  async #readTo(tail: SpoolTail, micros: number): Promise<void> {
    while ((this.#decidedAt.get(tail) ?? 0) <= micros + MARGIN_US && (await this.#take(tail))) {
      await this.#options.relieve()
    }
  }

  /** Envoy names a decision that was not read, though by its time it should have been: clocks may have been set. */
  async #search(event: string): Promise<void> {
    const dot = event.lastIndexOf('.')
    const boot = event.slice(0, dot)
    const sequence = Number(event.slice(dot + 1))
    const tails = [...this.#spools.tails]
    const owner = tails.find((tail) => tail.hasRead(boot, sequence) !== undefined)
    for (const tail of owner === undefined ? tails : [owner]) {
      while (!tail.hasRead(boot, sequence) && (await this.#take(tail))) await this.#options.relieve()
      if (tail.hasRead(boot, sequence)) return
    }
  }

  /** Reads some records of a spool; false where it has no more now. */
  async #take(tail: SpoolTail): Promise<boolean> {
    const { taken, more } = await tail.read()
    for (const one of taken) await this.#record(tail, one)
    return more
  }

  async #record(tail: SpoolTail, { record, sure, settle, doubt }: TakenRecord): Promise<void> {
    const { kind, json, event } = record
    if (kind === 'note') {
      this.#options.told.note(json.toString('utf8'))
      return settle()
    }
    try {
      const { at, request_id: requestId, decided_at: decidedAt, verdict } = readDecision(json)
      this.#decidedAt.set(tail, decidedAt)
      this.join.decision({ event, json, at, requestId, decidedAt, verdict, sure, settle, doubt })
    } catch (error) {
      if (!(error instanceof HalfError)) throw error
      await this.#options.unreadable(json, `record ${event}: ${error.message}`)
      settle()
    }
  }

  async #line(chunk: LogChunk, line: LogLine, read: ReturnType<typeof readLine>): Promise<void> {
    const { unreadable, relieve } = this.#options
    if (!isCompletion(read)) {
      await unreadable(line.bytes, `a line of Envoy’s log: ${read.unreadable}`)
    } else {
      if (read.event !== undefined && !this.join.knows(read)) await this.#search(read.event)
      const taken = this.join.completion(line.bytes, read)
      if (!taken) await unreadable(line.bytes, 'a second line of Envoy’s log for one request')
    }
    this.#logAt = () => chunk.cursorAt(line)
    await relieve()
  }

  #finish({ next, ended }: LogChunk): void {
    if (next !== undefined) this.#logAt = () => next
    if (ended !== undefined) this.join.end(ended)
  }
}

/** A torn line may lack its newline only. */
function readLine({ bytes, fault }: LogLine): ReturnType<typeof readCompletion> {
  if (fault === 'long') return { unreadable: 'it is longer than 64 KiB' }
  const read = readCompletion(bytes)
  return fault === 'torn' && !isCompletion(read)
    ? { unreadable: 'its end is missing, Envoy died while writing it' }
    : read
}

const endOf = ({ at, totalUs = 0 }: Completion): number => at + totalUs
