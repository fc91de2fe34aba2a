import type { AuditRow } from '../../../../ext-authz/store/audit-row.ts'
import type { AuditFilter } from '../../../../ext-authz/store/filter.ts'

/** Gives one page of rows. */
export type Search = (filter: AuditFilter, limit: number) => Promise<readonly AuditRow[]>

const SECOND = 1_000_000
/** A batch is written up to 5 s after its requests, so each look goes back that far and a bit, µs. */
const NEAR = 10 * SECOND
/** A request without an end is written 30 s later: now and then a look goes back so far. */
const FAR = 45 * SECOND
const FAR_EVERY = 15
const PAGE = 500
/** One look reads no more than this many pages; what is left comes with the next. */
const PAGES = 20

/**
 * Finds rows that were not there at the look before, though rows do not come in the order of their times. Remembers the rows of the
 * last {@link FAR}, no more. A row whose outcome changed is a new one.
 */
export class Follower {
  readonly #filter: AuditFilter
  readonly #seen = new Map<string, { timestamp: number; outcome: string }>()
  #newest: number
  #looks = 0

  /** `now`: epoch µs; nothing older than {@link FAR} before it is new. */
  constructor(filter: AuditFilter, now: number) {
    this.#filter = filter
    this.#newest = now
  }

  /** New rows since the look before, oldest first; all that are recent at the first one. */
  async look(search: Search): Promise<readonly AuditRow[]> {
    const back = this.#looks++ % FAR_EVERY === 0 ? FAR : NEAR
    const from = Math.max(this.#newest - back, this.#filter.from ?? 0)
    const found: AuditRow[] = []
    let filter: AuditFilter = { ...this.#filter, from, order: 'oldest' }
    for (let page = 0; page < PAGES; page++) {
      const rows = await search(filter, PAGE)
      found.push(...rows.filter((row) => this.#isNew(row)))
      const last = rows.at(-1)
      if (rows.length < PAGE || last === undefined) break
      filter = { ...filter, after: { timestamp: last.timestamp, id: last.id } }
    }
    this.#forget()
    return found
  }

  #isNew({ id, timestamp, outcome }: AuditRow): boolean {
    const known = this.#seen.get(id)?.outcome === outcome
    this.#seen.set(id, { timestamp, outcome })
    this.#newest = Math.max(this.#newest, timestamp)
    return !known
  }

  #forget(): void {
    for (const [id, { timestamp }] of this.#seen) if (timestamp < this.#newest - FAR) this.#seen.delete(id)
  }
}
