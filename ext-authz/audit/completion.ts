import { hasOwnIds } from '../../envoy/access-log.ts'
import { jsonText, mayNeedEscaping, visibleJson } from './visible.ts'

/** One line of Envoy's access log (envoy/access-log.ts), read and checked. What Envoy did not have is undefined. Times are whole µs. */
export interface Completion {
  /** Id of the line, the only one of a request that Envoy did not give an id of its own. */
  readonly line: string
  /** Undefined also where the id in the line is what the client wrote: then it may be that of another request. */
  readonly requestId: string | undefined
  /** Start of the request, epoch µs. */
  readonly at: number
  readonly correlationId: string | undefined
  readonly causationId: string | undefined
  /** `gateway/route`. */
  readonly route: string | undefined
  readonly method: string | undefined
  readonly path: string | undefined
  readonly clientAddress: string | undefined
  /** 0 where the client left before there was a status. */
  readonly status: number | undefined
  readonly details: string | undefined
  readonly flags: string | undefined
  readonly bytesReceived: number | undefined
  readonly bytesSent: number | undefined
  readonly totalUs: number | undefined
  readonly upstreamUs: number | undefined
  readonly upstreamHost: string | undefined
  readonly upstreamAttempts: number | undefined
  readonly contentType: string | undefined
  readonly retryAfter: string | undefined
  /** As the upstream wrote it. */
  readonly actualCost: string | undefined
  /** Event id of the decision whose answer Envoy used. */
  readonly event: string | undefined
  readonly audit: string | undefined
}

/** A line that is no completion, and why, in words that carry nothing of what it says. */
export interface UnreadableLine {
  readonly unreadable: string
}

/** Reads a line without its newline. Text comes back as `visible` leaves it (visible.ts). */
export function readCompletion(bytes: Buffer): Completion | UnreadableLine {
  const members = parsed(bytes)
  if (members === undefined) return { unreadable: 'it is no JSON object' }
  const at = instant(members['at'])
  if (at === undefined) return { unreadable: 'its "at" is no time of the form 1700000000.123456' }
  const line = text(members['line'])
  return line === undefined ? { unreadable: 'it has no "line"' } : completion(members, line, at)
}

/** True for a completion. */
export const isCompletion = (read: Completion | UnreadableLine): read is Completion => !('unreadable' in read)

type Members = Readonly<Record<string, unknown>>

function completion(members: Members, line: string, at: number): Completion {
  // Where Envoy answered before it set the ids, the words in their places are the client's: one could name another's request.
  const own = hasOwnIds(members) ? members : NO_IDS
  return {
    line,
    at,
    requestId: text(own['request_id']),
    correlationId: text(own['correlation_id']),
    causationId: text(own['causation_id']),
    route: text(members['route']),
    method: text(members['method']),
    path: text(members['path']),
    clientAddress: text(own['client_address']) ?? text(members['peer_address']),
    status: whole(members['status'], MAX_INT32),
    details: text(members['details']),
    flags: flags(members['flags']),
    bytesReceived: whole(members['bytes_received']),
    bytesSent: whole(members['bytes_sent']),
    totalUs: whole(members['total_us']) ?? microsOf(whole(members['duration_ms'], MAX_INT32)),
    upstreamUs: whole(members['upstream_us']),
    upstreamHost: text(members['upstream_host']),
    upstreamAttempts: whole(members['upstream_attempts'], MAX_INT32),
    contentType: text(members['content_type']),
    retryAfter: text(members['retry_after']),
    actualCost: text(members['actual_cost']),
    event: text(members['event']),
    audit: text(members['audit']),
  }
}

function parsed(line: Buffer): Members | undefined {
  const json = jsonText(line)
  try {
    const value: unknown = JSON.parse(json)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return (mayNeedEscaping(json) ? visibleJson(value) : value) as Members
  } catch {
    // JSON.parse throws for one reason only.
    return undefined
  }
}

const NO_IDS: Members = {}

/** Where the client went away there is no exact duration. */
const microsOf = (milliseconds: number | undefined) => (milliseconds === undefined ? undefined : milliseconds * 1000)

const MAX_INT32 = 2 ** 31 - 1

/** Envoy writes null, or `-` where a text has several operators, for what it does not have. */
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value !== '-' ? value : undefined

/** `-` stands for "no flags" and is worth keeping: it says that nothing went wrong. */
const flags = (value: unknown): string | undefined => (value === '-' ? '-' : text(value))

/** Numbers come as numbers, or as digits in quotes from operators that Envoy gives no type. */
function whole(value: unknown, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
  const number = typeof value === 'string' && DIGITS.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 && number <= max ? number : undefined
}

const DIGITS = /^\d{1,15}$/

/** Epoch µs of `1700000000.123456`, exact: a double holds whole µs until the year 2255. */
function instant(value: unknown): number | undefined {
  const match = typeof value === 'string' ? /^(\d{1,10})\.(\d{6})$/.exec(value) : null
  if (match === null) return undefined
  const epoch = Number(match[1]) * 1_000_000 + Number(match[2])
  return Number.isSafeInteger(epoch) ? epoch : undefined
}
