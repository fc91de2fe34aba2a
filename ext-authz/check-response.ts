import { TARGET_HEADER } from '../envoy/edge.ts'
import { PROBLEMS } from '../policies/problems.ts'
import type { Identity } from './identity/identity.ts'
import type { Request } from './request.ts'
import type { Deny, Pass } from './verdict.ts'

/** `google.rpc.Code`: Envoy asks only whether it is 0. */
const OK = 0
const PERMISSION_DENIED = 7

/** Every header that tells an upstream who calls; those that an answer does not set it removes (ID-7). */
const IDENTITY_HEADERS = [
  'x-user-id',
  'x-customer-id',
  'x-user-email',
  'x-user-roles',
  'x-trial-mode',
  'x-gateway-project',
  'x-gateway-service',
  'x-gateway-token-id',
] as const

type Field = readonly [name: string, value: string]

/** What every denial needs from its surroundings. */
export interface ProblemStyle {
  /** What every problem's `type` starts with (RT-7). */
  readonly base: string
}

/** The answer that lets a request go on, as the message Envoy reads. */
export function passResponse(pass: Pass) {
  const identity = pass.identity === undefined ? [] : identityFields(pass.identity)
  const set = new Set(identity.map(([name]) => name))
  const target: Field[] = pass.target === undefined ? [] : [[TARGET_HEADER, pass.target]]
  return {
    status: { code: OK },
    ok_response: {
      headers: [...identity, ...target].map(overwriting),
      headers_to_remove: IDENTITY_HEADERS.filter((name) => !set.has(name)),
      response_headers_to_add: clientFields(pass).map(overwriting),
    },
  }
}

/** The answer that ends a request with its problem document (RFC 9457). */
export function denyResponse(denial: Deny, request: Request, style: ProblemStyle) {
  const { status, title, detail } = PROBLEMS[denial.slug]
  const body = {
    type: style.base + denial.slug,
    title,
    status,
    detail: denial.detail ?? detail,
    instance: `urn:uuid:${request.requestId}`,
    correlation_id: request.correlationId,
    ...denial.facts,
  }
  return {
    status: { code: PERMISSION_DENIED },
    denied_response: {
      status: { code: status },
      headers: denialFields(denial).map(overwriting),
      body: JSON.stringify(body),
    },
  }
}

function identityFields(identity: Identity): Field[] {
  const fields: Field[] = [
    ['x-user-id', identity.userId],
    ['x-customer-id', identity.customerId],
    ['x-user-email', identity.email],
    ['x-user-roles', identity.roles.join(',')],
    ['x-trial-mode', String(identity.trial)],
    ['x-gateway-project', identity.project],
    ['x-gateway-service', identity.service],
    ['x-gateway-token-id', identity.tokenId],
  ]
  // Envoy drops empty values; naming them as removed instead keeps the two lists complete.
  return fields.filter(([, value]) => value !== '')
}

function clientFields({ identity, target, rbac }: Pass): Field[] {
  const fields: Field[] = target === undefined ? [] : [['x-target-backend', target]]
  if (!rbac || identity === undefined) return fields
  return [
    ...fields,
    ['x-rbac-user-id', identity.userId],
    ['x-rbac-roles', identity.roles.join(',')],
    ['x-rbac-role-level', String(identity.roleLevel)],
  ]
}

function denialFields(denial: Deny): Field[] {
  const fields: Field[] = [
    ['content-type', 'application/problem+json'],
    ['cache-control', 'no-store'],
  ]
  const challenge = challengeOf(denial)
  if (challenge !== undefined) fields.push(['www-authenticate', challenge])
  if (denial.retryAfter !== undefined) fields.push(['retry-after', String(denial.retryAfter)])
  return fields
}

/** RFC 6750 §3: an error code only where the client sent credentials. */
function challengeOf({ slug, detail }: Deny): string | undefined {
  if (PROBLEMS[slug].status !== 401) return undefined
  if (slug === 'unauthorized') return 'Bearer realm="sallyport"'
  const code = slug === 'invalid-token-format' ? 'invalid_request' : 'invalid_token'
  const description = (detail ?? PROBLEMS[slug].detail).replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, '?')
  return `Bearer realm="sallyport", error="${code}", error_description="${description}"`
}

function overwriting([key, value]: Field) {
  // response_headers_to_add appends by default, which would leave an upstream's copy beside ours.
  return { header: { key, value }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' as const }
}
