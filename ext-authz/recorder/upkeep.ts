import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '../../runtime/log.ts'
import type { Secret } from '../../runtime/secret.ts'
import { rotateLog } from '../audit/log-rotation.ts'
import type { DroppedMonth } from '../store/batch.ts'
import { ensureLogins, type LoginUrls } from '../store/logins.ts'
import type { AuditMaintainer } from '../store/maintainer.ts'
import { migrate } from '../store/migrate.ts'
import { loudness, patiently } from './patience.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const ROTATION_MS = 5_000

export interface UpkeepOptions {
  readonly maintainer: AuditMaintainer
  /** Given where the recorder brings the schema up to date itself. */
  readonly owner: { readonly url: Secret; readonly logins: LoginUrls } | undefined
  readonly retentionDays: number
  /** Given where the log is rotated by size. */
  readonly rotation: { readonly file: string; readonly adminUrl: string; readonly maxBytes: number } | undefined
  /** Writes the signed entry of a month before it is dropped. */
  readonly sign: (month: DroppedMonth) => Promise<void>
  readonly monthsAhead: (months: number) => void
  readonly log: Log
  /** Epoch ms. */
  readonly now: () => number
  readonly random: () => number
}

/** What the recorder does beside recording: schema, partitions ahead, retention, rotation of the log (AU-4). */
export class Upkeep {
  readonly #options: UpkeepOptions
  readonly #stop = new AbortController()
  #ended: Promise<unknown> = Promise.resolve()

  constructor(options: UpkeepOptions) {
    this.#options = options
  }

  /** Begins; faults are told and tried again. Resolves when the schema is up to date, which is at once where somebody else sees to it. */
  async start(): Promise<void> {
    const rotating = this.#rotation()
    const { signal } = this.#stop
    const schema = this.#schema().catch(unlessAborted(signal))
    this.#ended = Promise.all([rotating, schema.then(() => this.#months())])
    await schema
  }

  /** Does not wait for what PostgreSQL is doing: that is finished, or done again after the next start. */
  close(): void {
    this.#stop.abort()
    this.#ended.catch(() => undefined)
  }

  async #schema(): Promise<void> {
    const { owner, log } = this.#options
    if (owner === undefined) return
    await this.#untilDone('bringing the database up to date', () => this.#migrated())
    log.info('the database is up to date')
  }

  async #migrated(): Promise<void> {
    const { owner, log } = this.#options
    if (owner === undefined) return
    const ran = await migrate(owner.url)
    await ensureLogins(owner.url, owner.logins)
    if (ran.length > 0) log.info({ migrations: ran }, 'migrations ran')
  }

  async #ensured(): Promise<number> {
    const { maintainer, now } = this.#options
    try {
      return await maintainer.ensure(now() * 1000)
    } catch (error) {
      // Of a database that was replaced by an empty one.
      await this.#migrated()
      throw error
    }
  }

  async #months(): Promise<void> {
    const { now, monthsAhead } = this.#options
    let retiredAt = Number.NEGATIVE_INFINITY
    await this.#every(MINUTE_MS, async () => {
      await this.#untilDone('making partitions', async () => monthsAhead(await this.#ensured()))
      if (now() - retiredAt < DAY_MS) return
      await this.#untilDone('dropping old months', () => this.#retire())
      retiredAt = now()
    })
  }

  async #retire(): Promise<void> {
    const { maintainer, now, retentionDays, sign, log } = this.#options
    const dropped = await maintainer.retire((now() - retentionDays * DAY_MS) * 1000, sign)
    for (const month of dropped) log.info({ ...month }, 'a month was dropped')
  }

  async #rotation(): Promise<void> {
    const { rotation, now, log } = this.#options
    if (rotation === undefined) return
    await this.#every(ROTATION_MS, async () => {
      const came = await this.#untilDone('rotating the log', () => rotateLog({ ...rotation, now }))
      if (came === 'unopened') log.warn('Envoy was not reached to reopen its log: it is asked again')
    })
  }

  async #every(ms: number, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await work().catch(unlessAborted(signal))
      await pause(ms, undefined, { signal, ref: false }).catch(unlessAborted(signal))
    }
  }

  /** Whatever fails: an operator may mend it, and then it goes on by itself. */
  #untilDone<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { log, random } = this.#options
    const told = (err: unknown, waitMs: number) =>
      log[loudness(waitMs)]({ err, waitMs }, `${what} failed; trying again`)
    return patiently({ signal: this.#stop.signal, random, passes: () => true, told }, work)
  }
}

function unlessAborted(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error
  }
}
