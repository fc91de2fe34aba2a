import type { Audit, Method } from '../define.ts'
import type { AuditPolicy } from '../policy.ts'

/** A route's audit: each field its own, else its gateway's, else the default. Names in order, so that equal audits are equal text. */
export function auditPolicy(method: Method, gateway: Audit = {}, route: Audit = {}): AuditPolicy {
  const { onFailure = defaultOnFailure(method), query = [], headers = [], body = false } = { ...gateway, ...route }
  return {
    onFailure,
    ...(query.length === 0 ? {} : { query: query.toSorted() }),
    ...(headers.length === 0 ? {} : { headers: headers.toSorted() }),
    ...(body === false ? {} : { body: { maxBytes: body.maxBytes, mask: (body.mask ?? []).toSorted() } }),
  }
}

/** Sensitive and costly requests are refused when they cannot be recorded, others go on (AZ-7). */
function defaultOnFailure(method: Method): AuditPolicy['onFailure'] {
  return method === 'GET' ? 'degrade' : 'deny'
}
