import { z } from 'zod'
import type { AuditOutcome, AuditRow } from '../../../../ext-authz/store/audit-row.ts'
import { isoMicros } from '../../../../ext-authz/store/time.ts'
import { detailsInWords, flagsInWords } from './envoy-words.ts'

const Stage = z.object({
  stage: z.string(),
  verdict: z.enum(['pass', 'deny', 'skip']),
  facts: z.record(z.string(), z.unknown()).optional(),
  source: z.string().optional(),
  remedy: z.string().optional(),
})

/** One stage as it was recorded (OB-8). */
export type Stage = z.infer<typeof Stage>

/** Why one request was answered as it was; `why --json` prints it, without what is not known. */
export interface Explanation {
  readonly at: string
  readonly node: string
  readonly request: {
    readonly method: string | undefined
    readonly path: string | undefined
    readonly client_address: string | undefined
  }
  readonly ids: {
    readonly request: string | undefined
    readonly correlation: string | undefined
    readonly causation: string | undefined
    readonly event: string | undefined
  }
  readonly gateway: string | undefined
  readonly route: string | undefined
  /** `file:line` of the route. */
  readonly source: string | undefined
  readonly policy_version: string | undefined
  readonly caller:
    | { readonly user: string; readonly customer: string | undefined; readonly roles: readonly string[] }
    | undefined
  readonly verdict: 'pass' | 'deny' | undefined
  readonly status: number | undefined
  readonly problem: string | undefined
  readonly detail: string | undefined
  readonly outcome: AuditOutcome
  /** What the outcome means, where it is not simply the end. */
  readonly outcome_means: string | undefined
  /** In the order in which they ran. */
  readonly stages: readonly Stage[]
  /** The nearest change that would have let a refused request pass. */
  readonly remedy: string | undefined
  readonly degraded: readonly string[]
  readonly envoy: {
    readonly details: string | undefined
    readonly means: string | undefined
    readonly flags: readonly string[]
  }
  readonly upstream:
    | { readonly host: string; readonly attempts: number | undefined; readonly ms: number | undefined }
    | undefined
  readonly ms: number | undefined
}

const OUTCOMES: Readonly<Record<AuditOutcome, string | undefined>> = {
  completed: undefined,
  envoy: 'Envoy answered by itself; ext-authz was not asked, or its answer never came.',
  open: 'It was let go or refused, and Envoy has not yet said how it ended: it may still be running.',
  unknown: 'The Envoy that carried it died before it said how the request ended. What was decided is certain.',
  skipped: 'Its decision could not be recorded (the spool was full or failed), and the route lets such requests go on.',
  bypass_suspect:
    'An upstream was reached and there is no decision: it may have passed unchecked. Look into it at once.',
}

/** Explains a row. */
export function explain(row: AuditRow): Explanation {
  const stages = stagesOf(row)
  return {
    at: isoMicros(row.timestamp),
    node: row.node,
    request: {
      method: row.http_method,
      path: row.endpoint,
      client_address: row.client_address,
    },
    ids: idsOf(row),
    gateway: row.gateway,
    route: row.route,
    source: row.source,
    policy_version: row.policy_version,
    caller: callerOf(row),
    verdict: row.verdict,
    status: row.status_code,
    problem: row.problem,
    detail: row.error_message,
    outcome: row.outcome,
    outcome_means: OUTCOMES[row.outcome],
    stages,
    remedy: stages.find(({ remedy }) => remedy !== undefined)?.remedy,
    degraded: row.degraded ?? [],
    ...endOf(row),
  }
}

function idsOf(row: AuditRow): Explanation['ids'] {
  return {
    request: row.request_id,
    correlation: row.correlation_id,
    causation: row.causation_id,
    event: row.event_id,
  }
}

function callerOf({ user_id, customer_id, roles }: AuditRow): Explanation['caller'] {
  return user_id === undefined ? undefined : { user: user_id, customer: customer_id, roles: roles ?? [] }
}

function endOf(row: AuditRow): Pick<Explanation, 'envoy' | 'upstream' | 'ms'> {
  const { response_details: details, response_flags: flags, upstream_host: host } = row
  return {
    envoy: {
      details: details,
      means: details === undefined ? undefined : detailsInWords(details),
      flags: flagsInWords(flags ?? ''),
    },
    upstream: host === undefined ? undefined : { host, attempts: row.upstream_attempts, ms: row.plant_latency_ms },
    ms: row.total_latency_ms,
  }
}

/** From the decision itself, where the facts are in the order in which they were written; a JSONB column keeps no order. */
function stagesOf({ decision_bytes, stages }: AuditRow): readonly Stage[] {
  const decision = z.object({ stages: z.array(Stage) }).safeParse(jsonOf(decision_bytes)).data
  return decision?.stages ?? z.array(Stage).safeParse(stages).data ?? []
}

function jsonOf(bytes: Buffer | undefined): unknown {
  try {
    return JSON.parse(bytes?.toString() ?? 'null')
  } catch {
    return undefined
  }
}
