import type { GatewayType } from '../../policies/define.ts'
import type { Slug } from '../../policies/problems.ts'

/**
 * What the worker that decided a request writes to its spool before it answers (design.md §7, AU-2): the JSON of one spool record.
 * The event id is not in it: it follows from the segment's header and the record's sequence number.
 */
export interface Decision {
  readonly v: 1
  /** `attributes.request.time` of the Check, epoch µs: the same in a retried Check, equal to the log's `at`. Half of the row's key. */
  readonly at: number
  /** Envoy's `x-request-id`; the other half. */
  readonly request_id: string
  readonly correlation_id: string
  readonly causation_id?: string
  /** When the decision was made, epoch µs of this worker's clock. */
  readonly decided_at: number
  /** Absent where the Check carried no policy. */
  readonly gateway?: string
  readonly gateway_type?: GatewayType
  readonly route?: string
  /** First 12 characters of the SHA-256 (base64url) of the policy's text. */
  readonly policy_version?: string
  /** `file:line` of the route's definition. */
  readonly source?: string
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly authority?: string
  /** Trusted client address. */
  readonly client_address?: string
  /** Only parameters that the route lists. */
  readonly query?: Readonly<Record<string, string>>
  /** Only headers of the allow-list and those that the route lists; sensitive ones redacted (AU-6). */
  readonly headers: Readonly<Record<string, string>>
  /** Only where the route asks; capped and masked. */
  readonly body?: AuditedBody
  readonly identity?: AuditedIdentity
  readonly action?: string
  readonly resource?: string
  readonly resource_id?: string
  /** In the order in which they ran; the last one of a refusal is the one that refused. */
  readonly stages: readonly StageVerdict[]
  readonly verdict: 'pass' | 'deny'
  readonly target?: 'production' | 'sandbox'
  /** Of a refusal. */
  readonly status?: number
  readonly problem?: Slug
  readonly detail?: string
  /** Checks that went on without their store (AZ-7). */
  readonly degraded?: readonly string[]
  /** Whole µs. `total` from the Check's arrival to the record. */
  readonly latency_us: { readonly total: number; readonly identify?: number }
}

/** One stage's verdict and the facts that decided (OB-8). Never sent to clients. */
export interface StageVerdict {
  /** `read`, `policy`, `address`, `identify`, `trial`, `scopes`, `rbac`, `target`; `fault` where an exception of ours ended it. */
  readonly stage: string
  readonly verdict: 'pass' | 'deny' | 'skip'
  /** What was read and compared; no credentials. */
  readonly facts?: Readonly<Record<string, unknown>>
  /** `file:line` of the rule where it is known more exactly than the route's `source`. */
  readonly source?: string
  /** Of a refusal: the nearest change that would have let the request pass, for people of the operator. */
  readonly remedy?: string
}

/** Who called, as verified. */
export interface AuditedIdentity {
  readonly user_id: string
  readonly customer_id: string
  readonly email: string
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  readonly trial: boolean
  readonly trial_expires_at?: number
  readonly issuer: string
  readonly token_id: string
}

/** A request body as far as a route has it audited (AU-6). */
export interface AuditedBody {
  readonly bytes: number
  /** True where Envoy or we cut it. */
  readonly truncated: boolean
  /** JSON with masked fields; absent where the body is not whole JSON, which cannot be masked and is not kept. */
  readonly json?: unknown
  /** Hex SHA-256 of what was received. */
  readonly sha256: string
}

/** What a worker tells Envoy's access log through dynamic metadata of ext_authz. */
export interface AuditMark {
  /** Event id of the decision: `<node>.<boot>.<sequence>`. Absent where none was written. */
  readonly event?: string
  /** `skipped`: the spool was full and the route may go on. `refused`: it may not, and the answer was 503. */
  readonly audit?: 'skipped' | 'refused'
}

/** `<node>.<boot>.<sequence>`: unique for ever (facts/threats.md §5). */
export const eventId = (node: string, boot: string, sequence: number): string => `${node}.${boot}.${sequence}`
