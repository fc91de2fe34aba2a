/**
 * Every error a client can meet, ours and Envoy's own alike (RT-7, RFC 9457). The slug is the last segment of the
 * problem's `type`; status and title never vary, `detail` may be replaced by a more exact sentence.
 */
export const PROBLEMS = {
  'bad-request': { status: 400, title: 'Bad request', detail: 'The request could not be understood.' },
  'validation-error': { status: 400, title: 'Validation error', detail: 'The request body does not match its schema.' },
  unauthorized: { status: 401, title: 'Unauthorized', detail: 'This route needs a bearer token.' },
  'invalid-token-format': {
    status: 401,
    title: 'Invalid token format',
    detail: 'The Authorization header must be `Bearer <token>`.',
  },
  'token-expired': { status: 401, title: 'Token expired', detail: 'The token has expired; obtain a new one.' },
  'invalid-token': { status: 401, title: 'Invalid token', detail: 'The token was not accepted.' },
  'budget-exceeded': { status: 402, title: 'Budget exceeded', detail: 'The budget of this period is used up.' },
  'permission-denied': { status: 403, title: 'Permission denied', detail: 'You may not do this.' },
  'trial-expired': { status: 403, title: 'Trial expired', detail: 'The trial period has ended.' },
  'not-found': { status: 404, title: 'Not found', detail: 'There is nothing at this address.' },
  'method-not-allowed': {
    status: 405,
    title: 'Method not allowed',
    detail: 'This address exists, but not for this method; see the Allow header.',
  },
  'request-timeout': { status: 408, title: 'Request timeout', detail: 'The request did not arrive in time.' },
  conflict: { status: 409, title: 'Conflict', detail: 'The request conflicts with the current state.' },
  'payload-too-large': { status: 413, title: 'Payload too large', detail: 'The request body is over the limit.' },
  'upgrade-required': { status: 426, title: 'Upgrade required', detail: 'Use HTTP/1.1 or newer.' },
  'trial-limit-exceeded': {
    status: 429,
    title: 'Trial limit exceeded',
    detail: 'The trial allows no more tasks today.',
  },
  'rate-limit-exceeded': { status: 429, title: 'Rate limit exceeded', detail: 'Too many requests; slow down.' },
  'headers-too-large': {
    status: 431,
    title: 'Request headers too large',
    detail: 'The request headers are over the limit.',
  },
  'approval-required': { status: 307, title: 'Approval required', detail: 'A Governor must approve this request.' },
  'internal-server-error': {
    status: 500,
    title: 'Internal server error',
    detail: 'The gateway failed; the fault is ours.',
  },
  'bad-gateway': { status: 502, title: 'Bad gateway', detail: 'The upstream did not answer properly.' },
  'service-unavailable': {
    status: 503,
    title: 'Service unavailable',
    detail: 'The service cannot answer now; try again shortly.',
  },
  'gateway-timeout': { status: 504, title: 'Gateway timeout', detail: 'The upstream did not answer in time.' },
} as const satisfies Record<string, Problem>

/** A row of the table. */
export interface Problem {
  readonly status: number
  readonly title: string
  readonly detail: string
}

export type Slug = keyof typeof PROBLEMS

/** What every problem's `type` starts with unless a deployment says otherwise. */
export const DEFAULT_PROBLEM_BASE = 'https://waooaw.com/errors/'
