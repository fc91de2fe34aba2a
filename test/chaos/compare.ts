import type { AuditOutcome } from '../../ext-authz/store/audit-row.ts'
import type { Attempt } from './ledger.ts'

/** A decision as it was seen in a spool. */
export interface SeenDecision {
  readonly event: string
  readonly requestId: string
  /** What its request is known by in the ledger. */
  readonly correlationId: string
}

/** As much of a row as the comparison needs. */
export interface SeenRow {
  readonly requestId: string | undefined
  readonly correlationId: string | undefined
  /** Address of the peer according to Envoy's log; the only trace of a request whose headers could not be read. */
  readonly peer: string | undefined
  readonly event: string | undefined
  readonly status: number | undefined
  readonly outcome: AuditOutcome
}

/** Everything that is known at the end of a run. */
export interface Evidence {
  readonly attempts: readonly Attempt[]
  readonly decisions: readonly SeenDecision[]
  readonly rows: readonly SeenRow[]
  /** Moments at which an Envoy was killed, epoch ms. */
  readonly envoyKills: readonly number[]
}

/** An answer this short before a kill of Envoy may be missing from its log, ms (issue 4, "What must be seen" 1; its flush interval). */
export const UNFLUSHED_MS = 100

/** Counts of a run; those of {@link BROKEN_PROMISES} must be 0. */
export interface Comparison {
  readonly requests: number
  readonly answered: number
  readonly refused: number
  readonly reset: number
  readonly timedOut: number
  readonly decisions: number
  readonly rows: number
  /** Requests with a decision, or answered by an upstream, and without a row. */
  readonly missing: number
  /** Answers of Envoy's own without a row, and no kill of Envoy explains it. */
  readonly missingEnvoyOnly: number
  /** Answers of Envoy's own without a row, less than {@link UNFLUSHED_MS} before it was killed. Allowed. */
  readonly lostEnvoyOnly: number
  /** Rows more than one per request. */
  readonly duplicates: number
  /** Rows that no request of the ledger explains. */
  readonly strays: number
  readonly wrongStatus: number
  /** Rows whose request id or event id is not that of the answer, or of a decision that was seen. */
  readonly wrongJoin: number
  /** Rows `unknown` or `open` of requests under way, or answered less than {@link UNFLUSHED_MS} before, a kill of Envoy. Allowed. */
  readonly unknown: number
  /** Other rows `unknown` or `open`. */
  readonly unknownWithoutCause: number
  /** Rows `bypass_suspect`, and those of requests that an upstream answered though there was no decision. */
  readonly bypassSuspect: number
  /** Rows of requests that went on while the spool was full. */
  readonly skipped: number
  /** Some requests of each broken promise, for whoever looks for a cause. */
  readonly examples: readonly string[]
}

/** What a run may not have; every other count is information. */
export const BROKEN_PROMISES = [
  'missing',
  'missingEnvoyOnly',
  'duplicates',
  'strays',
  'wrongStatus',
  'wrongJoin',
  'unknownWithoutCause',
  'bypassSuspect',
] as const satisfies readonly (keyof Comparison)[]

const EXAMPLES_PER_FAULT = 5
const PROMISED = new Set<keyof Comparison>(BROKEN_PROMISES)

/** Holds the client's account against the spools and the rows (AU-1). */
export function compare(evidence: Evidence): Comparison {
  const counts = new Counts()
  const rows = rowsByRequest(evidence.rows)
  const events = new Map(evidence.decisions.map((decision) => [decision.event, decision]))
  const decided = new Set(evidence.decisions.map(({ correlationId }) => correlationId))
  for (const attempt of evidence.attempts) {
    const own = rows.get(attempt.id) ?? []
    rows.delete(attempt.id)
    if (own.length > 1) counts.add('duplicates', describe(attempt, own), own.length - 1)
    const [row] = own
    const context = { decided: decided.has(attempt.id), events, kills: evidence.envoyKills }
    if (row === undefined) judgeAbsence(attempt, context, counts)
    else judgeRow(attempt, row, context, counts)
  }
  judgeDecisions(evidence, counts)
  for (const [id, own] of rows) counts.add('strays', `${id}: ${JSON.stringify(own)}`, own.length)
  return { ...totals(evidence), ...counts.all(), examples: counts.examples }
}

type Fault = Exclude<keyof Comparison, 'examples' | keyof ReturnType<typeof totals>>

class Counts {
  readonly examples: string[] = []
  readonly #counts = new Map<Fault, number>()

  add(fault: Fault, example: string, times = 1): void {
    const before = this.#counts.get(fault) ?? 0
    this.#counts.set(fault, before + times)
    if (before < EXAMPLES_PER_FAULT && PROMISED.has(fault)) this.examples.push(`${fault}: ${example}`)
  }

  all(): Record<Fault, number> {
    const of = (fault: Fault) => this.#counts.get(fault) ?? 0
    return {
      missing: of('missing'),
      missingEnvoyOnly: of('missingEnvoyOnly'),
      lostEnvoyOnly: of('lostEnvoyOnly'),
      duplicates: of('duplicates'),
      strays: of('strays'),
      wrongStatus: of('wrongStatus'),
      wrongJoin: of('wrongJoin'),
      unknown: of('unknown'),
      unknownWithoutCause: of('unknownWithoutCause'),
      bypassSuspect: of('bypassSuspect'),
      skipped: of('skipped'),
    }
  }
}

interface Context {
  readonly decided: boolean
  readonly events: ReadonlyMap<string, SeenDecision>
  readonly kills: readonly number[]
}

function rowsByRequest(rows: readonly SeenRow[]): Map<string, SeenRow[]> {
  const found = new Map<string, SeenRow[]>()
  for (const row of rows) {
    const id = row.correlationId ?? row.peer ?? 'neither correlation id nor peer'
    const known = found.get(id)
    if (known === undefined) found.set(id, [row])
    else known.push(row)
  }
  return found
}

function judgeAbsence(attempt: Attempt, context: Context, counts: Counts): void {
  const fault = absence(attempt, context)
  if (fault !== undefined) counts.add(fault, `${describe(attempt, [])}${context.decided ? ', decided' : ''}`)
}

function absence(attempt: Attempt, { decided, kills }: Context): Fault | undefined {
  // Every decision has its row, whether or not its answer arrived.
  if (decided) return 'missing'
  if (attempt.ending?.how !== 'answered') return undefined
  if (passed(attempt)) return 'missing'
  return nearKill(attempt, kills) ? 'lostEnvoyOnly' : 'missingEnvoyOnly'
}

/** An upstream answered; so there was a decision, or ext_authz was bypassed. */
function passed({ kind, ending }: Attempt): boolean {
  return ending?.how === 'answered' && ending.status < 300 && !ENVOY_ONLY_SUCCESS.test(kind)
}

/** Envoy answers these with 2xx by itself. */
const ENVOY_ONLY_SUCCESS = /^preflight/

function judgeRow(attempt: Attempt, row: SeenRow, context: Context, counts: Counts): void {
  const told = describe(attempt, [row])
  if (row.outcome === 'skipped') counts.add('skipped', told)
  else if (row.outcome === 'bypass_suspect' || (passed(attempt) && row.event === undefined)) {
    counts.add('bypassSuspect', told)
  }
  if (row.outcome === 'unknown' || row.outcome === 'open') {
    const allowed = row.outcome === 'unknown' && nearKill(attempt, context.kills)
    counts.add(allowed ? 'unknown' : 'unknownWithoutCause', told)
  } else if (attempt.ending?.how === 'answered' && row.status !== attempt.ending.status) {
    counts.add('wrongStatus', told)
  }
  if (!joinsRight(attempt, row, context)) counts.add('wrongJoin', told)
}

function joinsRight({ id, ending }: Attempt, row: SeenRow, { decided, events }: Context): boolean {
  const told = ending?.how === 'answered' ? ending.requestId : undefined
  if (told !== undefined && told !== row.requestId) return false
  // A worker may die between its record and its answer; where no other one answers either, the 503 is Envoy's own.
  if (row.event === undefined) return !decided || ending?.how !== 'answered' || ending.status === 503
  const decision = events.get(row.event)
  return decision !== undefined && decision.requestId === row.requestId && decision.correlationId === id
}

/** Under way when an Envoy was killed, or answered so shortly before that its log may not have the line. */
function nearKill({ sentAt, ending }: Attempt, kills: readonly number[]): boolean {
  const until = ending?.how === 'answered' ? ending.at + UNFLUSHED_MS : (ending?.at ?? Number.POSITIVE_INFINITY)
  return kills.some((kill) => sentAt <= kill && kill <= until)
}

/** A decision belongs to a request of the ledger; a request may have several, of a Check that was tried again. */
function judgeDecisions({ attempts, decisions }: Evidence, counts: Counts): void {
  const sent = new Set(attempts.map(({ id }) => id))
  for (const decision of decisions) {
    if (!sent.has(decision.correlationId)) counts.add('strays', `decision ${JSON.stringify(decision)}`)
  }
}

function totals({ attempts, decisions, rows }: Evidence) {
  const ended = (how: string) => attempts.filter(({ ending }) => ending?.how === how).length
  return {
    requests: attempts.length,
    answered: ended('answered'),
    refused: ended('refused'),
    reset: ended('reset'),
    timedOut: ended('timeout'),
    decisions: decisions.length,
    rows: rows.length,
  }
}

function describe({ id, kind, sentAt, ending }: Attempt, rows: readonly SeenRow[]): string {
  return JSON.stringify({ id, kind, sentAt, ending, rows })
}
