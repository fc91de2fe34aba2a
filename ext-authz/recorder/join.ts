import type { Completion } from '../audit/completion.ts'
import { rowId } from '../audit/keys.ts'
import { outcomeAlone, outcomeTogether } from '../audit/outcome.ts'
import type { AuditOutcome } from '../store/audit-row.ts'
import type { Ended } from '../store/batch.ts'
import { type Entry, entryBytes } from './entry.ts'
import { Recent } from './recent.ts'
import { Waiting, type WaitingDecision } from './waiting.ts'

/** A decision is `open` when the log has been read this much past its request's beginning, µs (design.md §7). */
const OPEN_AFTER_US = 30_000_000

/** What the join knows besides what waits; kept with the cursors. Epoch µs, 0 for never. */
export interface JoinState {
  /** Farthest point to which the log has been read. */
  readonly logTime: number
  /** Requests that began before it belonged to an Envoy that has ended. */
  readonly endedBefore: number
  /** No decision of a request that began after it was written without its completion. */
  readonly openedUntil: number
}

/** A decision as a spool gave it. `sure` undefined: to be found out here. */
export type ReadDecision = Omit<WaitingDecision, 'sure'> & {
  readonly sure: boolean | undefined
  /** Called where it is found out that it is not sure, so that this is known after a restart. */
  readonly doubt: () => void
}

/** What counts, told as it happens. `lost`: Envoy named a decision that no spool has. `early`: written open because too many waited. */
export type JoinEvent = AuditOutcome | 'superseded' | 'late' | 'lost' | 'early'

export interface JoinOptions {
  readonly node: string
  readonly state: JoinState
  readonly limits: { readonly decisions: number; readonly bytes: number }
  readonly told: (event: JoinEvent, requestId: string | undefined) => void
}

/**
 * Joins decisions and completions by request id into what is to be written. It does no I/O and asks no clock: the same halves in the
 * same order give the same entries. Memory: what waits, what was completed in the last minute, and the entries that nobody took.
 */
export class Join {
  readonly waiting: Waiting
  readonly #node: string
  readonly #told: JoinOptions['told']
  readonly #recent: Recent
  #state: JoinState
  #entries: Entry[] = []
  #ended: Ended[] = []
  #bytes = 0

  constructor({ node, state, limits, told }: JoinOptions) {
    this.#node = node
    this.#told = told
    this.#state = state
    this.#recent = new Recent(state.logTime)
    this.waiting = new Waiting(limits)
  }

  /** A recorder that goes on from it remembers no request: `logTime` is past the end of all that were completed. */
  get state(): JoinState {
    return { ...this.#state, logTime: Math.max(this.#state.logTime, this.#recent.completedUntil) }
  }

  /** How much `take` would give. `bytes`: of the halves. */
  get ready(): { readonly entries: number; readonly bytes: number; readonly ended: number } {
    return { entries: this.#entries.length, bytes: this.#bytes, ended: this.#ended.length }
  }

  /** Gives what is to be written since the last call; from then on it is the caller's. */
  take(): { readonly entries: readonly Entry[]; readonly ended: readonly Ended[] } {
    const taken = { entries: this.#entries, ended: this.#ended }
    this.#entries = []
    this.#ended = []
    this.#bytes = 0
    return taken
  }

  /** A decision was read. Where too many wait, those that were read first are written without their completion. */
  decision(read: ReadDecision): void {
    const { openedUntil, endedBefore } = this.#state
    if (this.#recent.beginning(read.requestId) !== undefined) {
      this.#supersede(read)
      return
    }
    const sure = (read.sure ?? read.at > this.#recent.forgottenUntil) && read.at > openedUntil
    if (!sure) read.doubt()
    const decision = { ...read, sure }
    if (read.at < endedBefore) this.#withoutCompletion([decision], 'unknown')
    else this.waiting.add(decision)
    while (this.waiting.over) {
      this.#told('early', undefined)
      this.#withoutCompletion(this.waiting.takeFirst(), 'open')
    }
  }

  /** True where a decision of the request waits, or its completion was read already: then no spool needs to be searched for it. */
  knows({ requestId, event }: Completion): boolean {
    if (requestId === undefined || event === undefined || this.#recent.beginning(requestId) !== undefined) return true
    return this.waiting.has(requestId, event)
  }

  /** A completion was read. False where it is the second one of its request, which has no place in a row. */
  completion(line: Buffer, completion: Completion): boolean {
    const { requestId, at } = completion
    if (requestId === undefined) {
      this.#alone(line, completion)
      return true
    }
    if (this.#recent.beginning(requestId) === at) return false
    const decisions = this.waiting.take(requestId)
    const named = decisions.filter(({ event }) => event === (completion.event ?? event))
    const used = lastDecided(named)
    for (const decision of decisions) if (decision !== used) this.#supersede(decision)
    this.#recent.add(requestId, at, at + (completion.totalUs ?? 0))
    if (used === undefined) this.#alone(line, completion)
    else this.#together(used, line, completion)
    return true
  }

  /** The log has been read up to a point in time (epoch µs): what began long before it and still waits is written `open`. */
  advance(logTime: number): void {
    this.#state = { ...this.#state, logTime: Math.max(this.#state.logTime, logTime) }
    for (const decisions of this.waiting.takeBefore(logTime - OPEN_AFTER_US)) this.#withoutCompletion(decisions, 'open')
  }

  /** All that an Envoy wrote has been read, and it had ended at `before` (epoch µs): its requests that wait will not be completed. */
  end(before: number): void {
    this.#state = { ...this.#state, endedBefore: Math.max(this.#state.endedBefore, before) }
    for (const decisions of this.waiting.takeBefore(before)) this.#withoutCompletion(decisions, 'unknown')
    this.#ended.push({ node: this.#node, before })
  }

  #together(used: WaitingDecision, line: Buffer, completion: Completion): void {
    const outcome = outcomeTogether(used.verdict, completion)
    this.#told(outcome, used.requestId)
    used.settle()
    const entry = { ...this.#key(used), decision: used, line }
    // Another decision of this request may have been written open before this one was read.
    if (used.sure || used.at > this.#state.openedUntil) this.#put({ kind: 'row', ...entry, outcome, sure: true })
    else this.#put({ kind: 'late', ...entry, otherwise: outcome })
  }

  /** No decision waits: there was none, or it was written without this completion, or the spool lost it. */
  #alone(line: Buffer, completion: Completion): void {
    const { at, requestId, line: lineId, event } = completion
    const outcome = outcomeAlone(completion)
    const key = { timestamp: at, id: rowId(this.#node, requestId ?? lineId) }
    if (requestId !== undefined && at <= this.#state.openedUntil) {
      this.#told(outcome === 'bypass_suspect' ? outcome : 'late', requestId)
      this.#put({ kind: 'late', ...key, decision: undefined, line, otherwise: outcome })
      return
    }
    if (event !== undefined) this.#told('lost', requestId)
    this.#told(outcome, requestId)
    this.#put({ kind: 'row', ...key, outcome, decision: undefined, line, sure: true })
  }

  /** One row for the decisions of a request: with the last one, which is the one that Envoy did not give up on. */
  #withoutCompletion(decisions: readonly WaitingDecision[], outcome: 'open' | 'unknown'): void {
    const shown = lastDecided(decisions)
    if (shown === undefined) return
    const { at, requestId, sure } = shown
    this.#state = { ...this.#state, openedUntil: Math.max(this.#state.openedUntil, at) }
    this.#told(outcome, requestId)
    shown.settle()
    this.#put({ kind: 'row', ...this.#key(shown), outcome, decision: shown, line: undefined, sure })
    for (const decision of decisions) if (decision !== shown) this.#supersede(decision)
  }

  #supersede(decision: Omit<WaitingDecision, 'sure'>): void {
    decision.settle()
    this.#told('superseded', decision.requestId)
    this.#put({ kind: 'superseded', ...this.#key(decision), decision })
  }

  #key({ at, requestId }: Pick<WaitingDecision, 'at' | 'requestId'>) {
    return { timestamp: at, id: rowId(this.#node, requestId) }
  }

  #put(entry: Entry): void {
    this.#entries.push(entry)
    this.#bytes += entryBytes(entry)
  }
}

function lastDecided(decisions: readonly WaitingDecision[]): WaitingDecision | undefined {
  return decisions.reduce<WaitingDecision | undefined>(
    (last, decision) => (last === undefined || decision.decidedAt > last.decidedAt ? decision : last),
    undefined,
  )
}
