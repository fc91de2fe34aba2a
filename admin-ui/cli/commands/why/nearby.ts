import { hostname } from 'node:os'
import { type Completion, isCompletion, readCompletion } from '../../../../ext-authz/audit/completion.ts'
import { outcomeAlone, outcomeTogether } from '../../../../ext-authz/audit/outcome.ts'
import { type DecisionHalf, readDecision, rowOf } from '../../../../ext-authz/audit/projection.ts'
import type { AuditRow } from '../../../../ext-authz/store/audit-row.ts'
import type { AuditFolders } from '../audit/places.ts'
import { linesWith } from './log-search.ts'
import { decisionsWith } from './spool-search.ts'

/** Newest bytes of the log, and of each worker's spool, that are looked through: some seconds of reading. */
const MOST_BYTES = 64 * 1_024 * 1_024

/** Rows as the recorder would write them, and how much was looked through, in words. */
export interface Nearby {
  readonly rows: readonly AuditRow[]
  readonly searched: string
}

/** Finds a request, or all of a correlation id, in the newest part of this machine's spools and access log; newest first, at most `most`. */
export async function rowsNearby(id: string, folders: AuditFolders, most: number): Promise<Nearby> {
  const limits = { most, mostBytes: MOST_BYTES }
  const lines = await linesWith(folders.accessLog, id, limits)
  const decisions = await decisionsWith(folders.spool, id, limits)
  const searched = `the newest ${megabytes(decisions.bytes)} of ${folders.spool} and ${megabytes(lines.bytes)} of ${folders.accessLog}`
  const rows = joined(decisions.found.flatMap(decided(id)), lines.found.flatMap(completed(id)))
  return { rows: rows.toSorted((a, b) => b.timestamp - a.timestamp).slice(0, most), searched }
}

interface Decided extends DecisionHalf {
  readonly request: string
}

interface Completed {
  readonly line: Buffer
  readonly completion: Completion
}

/** Only what really has the id: the text may stand anywhere. */
const decided =
  (id: string) =>
  (half: DecisionHalf): readonly Decided[] => {
    const { request_id, correlation_id } = readDecision(half.json)
    return request_id === id || correlation_id === id ? [{ ...half, request: request_id }] : []
  }

const completed =
  (id: string) =>
  (line: Buffer): readonly Completed[] => {
    const completion = readCompletion(line)
    if (!isCompletion(completion)) return []
    const { requestId, correlationId, line: lineId } = completion
    return [requestId, correlationId, lineId].includes(id) ? [{ line, completion }] : []
  }

function joined(decisions: readonly Decided[], completions: readonly Completed[]): readonly AuditRow[] {
  const ended = completions.map(({ line, completion }) => {
    const named = decisions.filter(({ event }) => event === completion.event)
    const decision = named[0] ?? decisions.findLast(({ request }) => request === completion.requestId)
    const outcome =
      decision === undefined
        ? outcomeAlone(completion)
        : outcomeTogether(readDecision(decision.json).verdict, completion)
    return rowOf(nodeOf(decision?.event ?? completion.event), decision, line, outcome)
  })
  const known = new Set(ended.map(({ request_id }) => request_id))
  // Of a Check that was retried, the last decision is the one that Envoy did not give up on.
  const open = new Map(decisions.filter(({ request }) => !known.has(request)).map((half) => [half.request, half]))
  return [...ended, ...[...open.values()].map((half) => rowOf(nodeOf(half.event), half, undefined, 'open'))]
}

/** The node in an event id; without one the row is of this machine at any rate. */
function nodeOf(event: string | undefined): string {
  return event?.split('.', 1)[0] ?? hostname()
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`
}
