import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { DroppedMonth } from '../store/batch.ts'
import type { Alarms } from './alarms.ts'
import type { DeadLetters } from './dead-letters.ts'
import { Intake } from './intake.ts'
import type { Outbox } from './outbox.ts'
import { openParts, type Parts, type Progress, type RecorderOptions, type Stuck } from './parts.ts'
import { type Patience, patiently } from './patience.ts'
import type { RecorderState } from './prepared.ts'

/** Most that is in memory for one batch: entries, and bytes of their halves. */
const MAX_BATCH = { entries: 2_000, bytes: 8_388_608 }
const POLL_MS = 200
/** How often what is recorded is deleted, ms: a full spool waits for it. */
const TIDY_MS = 1_000
const DEFAULT_WAITING = { decisions: 50_000, bytes: 67_108_864 }

/** Brings both halves of every request into the store: reads, joins, writes, and only then forgets (AU-1, design.md §7). */
export class Recorder {
  readonly #options: RecorderOptions
  readonly #alarms: Alarms
  readonly #letters: DeadLetters
  readonly #patience: Patience
  readonly #outbox: Outbox
  readonly #intake: Intake
  readonly #stop = new AbortController()
  readonly #cut: AbortController
  readonly #progress: Progress
  readonly #dropped: { readonly month: DroppedMonth; readonly written: () => void }[] = []
  #running: Promise<void> = Promise.resolve()
  /** When the first entry of the next batch was made, epoch ms. */
  #batchSince: number | undefined
  /** Cursors as they were kept last, and when. */
  #kept: { readonly at: number; readonly cursors: string }
  #tidiedAt = 0

  private constructor(options: RecorderOptions, parts: Parts) {
    this.#options = options
    this.#alarms = parts.alarms
    this.#letters = parts.letters
    this.#patience = parts.patience
    this.#outbox = parts.outbox
    this.#cut = parts.cut
    this.#progress = parts.progress
    this.#intake = this.#openIntake()
    this.#kept = { at: options.now(), cursors: placesOf(this.#intake.cursors()) }
    options.metrics.read({
      oldestSeconds: () => this.#oldestSeconds(),
      waiting: () => this.#intake.join.waiting.size,
      logBytesBehind: () => this.#intake.logBytesBehind(),
      spoolBytesBehind: () => this.#intake.spoolBytesBehind(),
      deadLetters: () => this.#letters.count,
      stuckSeconds: () => (this.stuck === undefined ? 0 : Math.max(options.now() - this.stuck.since, 0) / 1000),
    })
  }

  /** Undefined while batches can be written. It reads on until one batch waits, and then waits too: memory stays as it is. */
  get stuck(): Stuck | undefined {
    return this.#progress.stuck
  }

  /** Takes up where the recorder before was. Throws where what that one kept was changed, or the folder cannot be written. */
  static async open(options: RecorderOptions): Promise<Recorder> {
    return new Recorder(options, await openParts(options))
  }

  /** Works until {@link close}. Rejects where going on would lose something; the next start begins behind the last batch. */
  run(): Promise<void> {
    this.#running = this.#work()
    return this.#running
  }

  /** One round: reads what is there, and writes when it is time. True where there may be more at once. */
  async round(): Promise<boolean> {
    await this.#outbox.resume()
    const more = await this.#intake.look()
    if (this.#isDue()) await this.#write()
    await this.#signDropped()
    await this.#tidy()
    return more
  }

  /** Writes what was read so far, whether it is time or not. */
  async flush(): Promise<void> {
    const { entries, ended } = this.#intake.join.ready
    if (entries + ended > 0) await this.#write()
  }

  /** Writes the signed entry of a month that is about to be dropped; resolves when it is in the store. */
  sign(month: DroppedMonth): Promise<void> {
    return new Promise((resolve) => this.#dropped.push({ month, written: resolve }))
  }

  /** Ends after what was read is written, or after `withinMs`; what was not written then is written after the next start. */
  async close(withinMs = 3_000): Promise<void> {
    this.#stop.abort()
    const late = setTimeout(() => this.#cut.abort(), withinMs)
    // Whoever called run() is told of its faults.
    await this.#running.catch(() => undefined)
    clearTimeout(late)
    this.#cut.abort()
    this.#options.writer.close()
    await this.#intake.close()
  }

  async #work(): Promise<void> {
    const { signal } = this.#stop
    try {
      while (!signal.aborted) {
        const more = await this.round()
        if (!more) await pause(POLL_MS, undefined, { signal }).catch(() => undefined)
      }
      await this.flush()
    } catch (error) {
      if (!this.#cut.signal.aborted) throw error
    }
  }

  #isDue(): boolean {
    const { batch, now } = this.#options
    const { entries, ended } = this.#intake.join.ready
    if (entries + ended === 0) return this.#hasMoved()
    this.#batchSince ??= now()
    // A clock that was set back must not hold a batch back.
    return entries >= batch.rows || Math.abs(now() - this.#batchSince) >= batch.ms
  }

  /** What was read had nothing for the store, but may be deleted. */
  #hasMoved(): boolean {
    const { batch, now } = this.#options
    return Math.abs(now() - this.#kept.at) >= batch.ms && placesOf(this.#intake.cursors()) !== this.#kept.cursors
  }

  /** Nothing is awaited between taking the entries and the cursors: they are of the same moment. */
  async #write(): Promise<void> {
    const { now, metrics } = this.#options
    const { entries, ended } = this.#intake.join.take()
    const cursors = this.#intake.cursors()
    this.#batchSince = undefined
    const began = performance.now()
    const nothing = entries.length + ended.length === 0
    await (nothing ? this.#outbox.keepState(cursors) : this.#outbox.send({ entries, ended }, cursors))
    if (!nothing) metrics.batch(entries.length, (performance.now() - began) / 1000)
    this.#kept = { at: now(), cursors: placesOf(cursors) }
  }

  /** Between two rounds everything that was kept is in the store. */
  async #tidy(): Promise<void> {
    const now = this.#options.now()
    const { state } = this.#outbox
    if (state === undefined || Math.abs(now - this.#tidiedAt) < TIDY_MS) return
    this.#tidiedAt = now
    await this.#intake.deleteBefore(state)
  }

  async #signDropped(): Promise<void> {
    for (let next = this.#dropped[0]; next !== undefined; next = this.#dropped[0]) {
      await this.flush()
      await this.#outbox.signDropped(next.month, this.#intake.cursors())
      this.#dropped.shift()
      next.written()
    }
  }

  #openIntake(): Intake {
    const { node, spoolFolder, accessLog, now, log, waiting = DEFAULT_WAITING } = this.#options
    return new Intake({
      node,
      spoolFolder,
      logFolder: dirname(accessLog),
      from: this.#outbox.state,
      limits: waiting,
      now,
      told: {
        event: (event, requestId) => this.#alarms.event(event, requestId),
        gap: (gap) => this.#alarms.trouble('spool-gap', gap, 'a spool has records that cannot be read'),
        logTrouble: (kind, file) => this.#alarms.trouble(`log-${kind}`, { file }, LOG_TROUBLE[kind]),
        note: (note) => log.warn({ note }, 'a worker noted this in its spool'),
      },
      relieve: () => this.#relieve(),
      unreadable: (bytes, why) => this.#putAside(bytes, why),
    })
  }

  async #relieve(): Promise<void> {
    const { entries, bytes } = this.#intake.join.ready
    if (entries >= (this.#options.batch.most ?? MAX_BATCH.entries) || bytes >= MAX_BATCH.bytes) await this.#write()
  }

  async #putAside(bytes: Buffer, why: string): Promise<void> {
    await patiently(this.#patience, () => this.#letters.putLine(bytes, why))
    this.#alarms.trouble('unreadable', { why }, 'something that makes no row was put into the dead letters')
  }

  #oldestSeconds(): number {
    const oldest = this.#intake.join.waiting.oldest()
    return oldest === undefined ? 0 : Math.max(this.#options.now() / 1000 - oldest / 1_000_000, 0)
  }
}

const LOG_TROUBLE = {
  gone: 'the log file that was being read is gone: completions in it may be lost',
  shorter: 'a log file became shorter: completions in it may be lost; rotate it by renaming only',
} as const

/** Log time goes on by itself; only places in files are worth keeping. */
const placesOf = ({ log, spools }: Pick<RecorderState, 'log' | 'spools'>): string => JSON.stringify([log, spools])
