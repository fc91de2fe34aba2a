import { isDeepStrictEqual } from 'node:util'
import type { AuditOutcome, AuditRow } from '../../store/audit-row.ts'
import { COLUMNS } from '../../store/columns.ts'
import { type Completion, isCompletion, readCompletion } from '../completion.ts'
import { halfHash } from '../keys.ts'
import { outcomeAlone, outcomeTogether } from '../outcome.ts'
import { HalfError, rowOf } from '../projection.ts'
import { type AuditFault, rowFault } from './fault.ts'

/** Most characters of a value that a finding repeats. */
const MAX_SHOWN = 80

/**
 * Compares every column of a row with what its bytes say: nothing for a row that is as it was written. `open` and `unknown` cannot be
 * told apart by bytes; either will do for a row without completion.
 */
export function* columnFaults(row: AuditRow): Generator<AuditFault, void, undefined> {
  const completion = completionOf(row)
  let expected: AuditRow
  try {
    expected = rowOf(row.node, decisionOf(row, completion), row.completion_bytes, outcomeOf(row, completion))
  } catch (error) {
    if (!(error instanceof HalfError)) throw error
    yield rowFault('edited row', row.node, row, `its bytes make no row: ${error.message}`)
    return
  }
  yield* hashFaults(row)
  for (const column of COLUMNS) {
    if (HASHES.includes(column) || isDeepStrictEqual(expected[column], row[column])) continue
    const message = `${column} is ${shown(row[column])}, its bytes say ${shown(expected[column])}`
    yield rowFault('edited row', row.node, row, message)
  }
}

const HASHES: readonly (keyof AuditRow)[] = ['decision_hash', 'completion_hash']

function* hashFaults(row: AuditRow): Generator<AuditFault> {
  for (const half of ['decision', 'completion'] as const) {
    const [bytes, hash] = [row[`${half}_bytes`], row[`${half}_hash`]]
    const expected = bytes === undefined ? undefined : halfHash(bytes)
    if (isDeepStrictEqual(expected, hash)) continue
    const message = `${half}_hash is ${shown(hash)}, the SHA-256 of ${half}_bytes is ${shown(expected)}`
    yield rowFault('edited row', row.node, row, message)
  }
}

/** Which event a row belongs to is said by the completion; a decision does not name itself. */
function decisionOf({ decision_bytes, event_id }: AuditRow, completion: Completion | undefined) {
  return decision_bytes === undefined ? undefined : { json: decision_bytes, event: completion?.event ?? event_id ?? '' }
}

function completionOf({ completion_bytes }: AuditRow): Completion | undefined {
  const read = completion_bytes === undefined ? undefined : readCompletion(completion_bytes)
  return read !== undefined && isCompletion(read) ? read : undefined
}

/** The outcome that halves like these must have; the row's own where several may be. */
function outcomeOf(row: AuditRow, completion: Completion | undefined): AuditOutcome {
  const allowed = allowedOutcomes(row, completion)
  return allowed.find((outcome) => outcome === row.outcome) ?? allowed[0]
}

function allowedOutcomes(
  { decision_bytes, verdict }: AuditRow,
  completion: Completion | undefined,
): readonly [AuditOutcome, ...AuditOutcome[]] {
  if (completion === undefined) return ['open', 'unknown']
  if (decision_bytes === undefined) return [outcomeAlone(completion)]
  const outcome = outcomeTogether(verdict ?? 'pass', completion)
  // A late completion, which the database judges, is a bypass only of what was refused.
  return verdict === 'deny' ? [outcome] : [outcome, 'completed']
}

function shown(value: unknown): string {
  if (value === undefined) return 'NULL'
  const text = Buffer.isBuffer(value) ? `\\x${value.subarray(0, 40).toString('hex')}` : JSON.stringify(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}
