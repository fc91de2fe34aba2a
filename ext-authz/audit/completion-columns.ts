import type { AuditRow, COMPLETION_COLUMNS } from '../store/audit-row.ts'
import type { Completion } from './completion.ts'
import { halfHash } from './keys.ts'

/** The columns that only Envoy's log knows. */
export type CompletionColumns = Pick<AuditRow, (typeof COMPLETION_COLUMNS)[number]>

/** What a completion says, with the exact bytes of its line. */
export function completionColumns(completion: Completion, line: Buffer): CompletionColumns {
  return {
    status_code: completion.status,
    response_headers: responseHeaders(completion),
    ...fault(completion),
    total_latency_ms: millis(completion.totalUs),
    plant_latency_ms: millis(completion.upstreamUs),
    bytes_received: completion.bytesReceived,
    bytes_sent: completion.bytesSent,
    upstream_host: completion.upstreamHost,
    upstream_attempts: completion.upstreamAttempts,
    response_flags: completion.flags,
    response_details: completion.details,
    actual_cost: microDollars(completion.actualCost),
    completion_bytes: line,
    completion_hash: halfHash(line),
  }
}

function responseHeaders({ contentType, retryAfter }: Completion): Readonly<Record<string, string>> | undefined {
  if (contentType === undefined && retryAfter === undefined) return undefined
  return {
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
    ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
  }
}

/** What went wrong by Envoy's account: an answer of its own, a request that was cut off, or an upstream's error. */
function fault({ status, details, flags }: Completion): Pick<AuditRow, 'error_type' | 'error_message' | 'problem'> {
  const failed = status === undefined || status === 0 || status >= 400
  if (details === undefined || details === 'via_upstream') {
    if (!failed) return NO_FAULT
    return { error_type: 'upstream', error_message: `the upstream answered ${status ?? 'nothing'}`, problem: undefined }
  }
  const flagged = flags !== undefined && flags !== '-'
  if (!failed && !flagged) return NO_FAULT
  const name = short(details.split(/[{([:]/, 1)[0])
  return { error_type: name, error_message: flagged ? `${details} (${flags})` : details, problem: name }
}

const NO_FAULT = { error_type: undefined, error_message: undefined, problem: undefined } as const

/** ms of µs. */
export const millis = (micros: number | undefined): number | undefined =>
  micros === undefined ? undefined : micros / 1000

/** Most characters of a column that an index holds: an entry of a B-tree may have 2,704 bytes, and a client chooses some of them. */
const MAX_INDEXED = 512

/** A text as an indexed column can hold it. */
export function short(text: string | undefined): string | undefined {
  if (text === undefined || text.length <= MAX_INDEXED) return text
  return `${text.slice(0, MAX_INDEXED - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

/** Most digits before the point: what is dearer than a million million dollars is no cost. */
const DOLLARS = /^(\d{1,12})(?:\.(\d{1,18}))?$/

/** Whole µ$ of decimal dollars, in whole numbers all the way; half a µ$ counts as one. Undefined for anything else. */
function microDollars(dollars: string | undefined): number | undefined {
  const match = DOLLARS.exec(dollars ?? '')
  if (match === null) return undefined
  const fraction = (match[2] ?? '').padEnd(7, '0')
  const whole = BigInt(match[1] ?? '') * 1_000_000n + BigInt(fraction.slice(0, 6))
  const micro = Number(fraction.charAt(6) >= '5' ? whole + 1n : whole)
  return Number.isSafeInteger(micro) ? micro : undefined
}

/** Of a row whose completion has not come. */
export const NOTHING_CAME: CompletionColumns = {
  status_code: undefined,
  response_headers: undefined,
  error_type: undefined,
  error_message: undefined,
  total_latency_ms: undefined,
  plant_latency_ms: undefined,
  problem: undefined,
  bytes_received: undefined,
  bytes_sent: undefined,
  upstream_host: undefined,
  upstream_attempts: undefined,
  response_flags: undefined,
  response_details: undefined,
  actual_cost: undefined,
  completion_bytes: undefined,
  completion_hash: undefined,
}
