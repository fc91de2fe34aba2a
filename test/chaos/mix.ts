import type { UserName } from '../../runtime/embedded/issuer/users.ts'
import type { HeaderList } from '../support/http.ts'
import type { Random } from './random.ts'

/** One kind of request of the load. */
export interface Kind {
  readonly name: string
  /** How often it comes, compared with the others; whole. */
  readonly weight: number
  /** What it answers while nothing is broken. */
  readonly status: number
  readonly method?: string
  readonly path: string
  /** Development user whose token it carries; absent: none. */
  readonly as?: UserName
  readonly headers?: HeaderList
  readonly body?: string
}

/** Requests that Envoy cannot read, as bytes: its log knows nothing of them but where they came from. */
export interface RawKind {
  readonly name: string
  readonly weight: number
  readonly status: number
  readonly bytes: string
}

const TASK = JSON.stringify({ agent: 'agent-7', title: 'write the proof', password: 'not for the audit' })
const JSON_BODY = [['Content-Type', 'application/json']] as const

/** Passes, refusals of ext-authz, and answers that Envoy gives alone, on the shipped gateways. */
export const KINDS: readonly Kind[] = [
  { name: 'list agents', weight: 30, status: 200, path: '/api/cp/v1/agents?page=2', as: 'paying' },
  { name: 'list agents as a developer', weight: 15, status: 200, path: '/api/v1/agents', as: 'developer' },
  { name: 'trial', weight: 10, status: 200, path: '/api/cp/v1/agents/7', as: 'trial' },
  {
    name: 'start task',
    weight: 10,
    status: 200,
    method: 'POST',
    path: '/api/cp/v1/tasks',
    as: 'governor',
    body: TASK,
    headers: JSON_BODY,
  },
  { name: 'open route', weight: 5, status: 200, path: '/health' },
  { name: 'no token', weight: 8, status: 401, path: '/api/cp/v1/agents' },
  { name: 'expired trial', weight: 3, status: 403, path: '/api/cp/v1/agents', as: 'expired-trial' },
  { name: 'viewer deletes', weight: 6, status: 403, method: 'DELETE', path: '/api/v1/agents/7', as: 'viewer' },
  { name: 'unknown path', weight: 5, status: 404, path: '/no/such/path' },
  { name: 'unknown method', weight: 3, status: 405, method: 'PUT', path: '/api/cp/v1/agents', as: 'paying' },
  {
    name: 'preflight',
    weight: 3,
    status: 200,
    method: 'OPTIONS',
    path: '/api/cp/v1/agents',
    headers: [
      ['Origin', 'https://portal.waooaw.com'],
      ['Access-Control-Request-Method', 'GET'],
    ],
  },
]

/**
 * Requests that take their time at the upstream, so that some are always under way when an Envoy dies, and answers that upstreams
 * give on their own. They need {@link PROOF_GATEWAY}.
 */
export const UPSTREAM_KINDS: readonly Kind[] = [
  { name: 'slow upstream', weight: 5, status: 200, path: '/slow?ms=800', as: 'paying' },
  { name: 'upstream fails', weight: 2, status: 500, path: '/status/500', as: 'paying' },
]

/** A definition beside the shipped ones, with what the echo upstreams can do besides echoing. */
export const PROOF_GATEWAY = `import { defineGateway, get, http, jwt } from '../define.ts'

export default defineGateway({
  name: 'proof',
  type: 'project',
  identity: jwt('waooaw'),
  upstreams: { plant: http('plant:8000') },
  target: 'plant',
  routes: { slow: get('/slow'), status: get('/status/{status}') },
})
`

/** Each on a connection of its own. */
export const RAW_KINDS: readonly RawKind[] = [
  {
    name: 'oversized header',
    weight: 1,
    status: 431,
    bytes: `GET /health HTTP/1.1\r\nHost: a\r\nX-Big: ${'x'.repeat(70_000)}\r\n\r\n`,
  },
  { name: 'broken request', weight: 1, status: 400, bytes: 'GET /health HTTP/1.1\r\nHost: a\r\nNo colon here\r\n\r\n' },
]

/** Draws kinds by their weights. */
export function drawFrom<K extends { readonly weight: number }>(kinds: readonly K[], random: Random): () => K {
  const tickets = kinds.flatMap((kind) => Array.from({ length: kind.weight }, () => kind))
  return () => {
    const drawn = tickets[Math.floor(random() * tickets.length)]
    if (drawn === undefined) throw new Error('the mix of the load has no kinds')
    return drawn
  }
}
