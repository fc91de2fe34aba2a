import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Health } from './health.ts'

/** Something whose metrics can be read: a registry, or a process that gathers those of its workers. */
export interface MetricsSource {
  readonly contentType: string
  metrics(): Promise<string>
}

/** What the operations server of a process serves beside `/healthz`. */
export interface Operations {
  readonly address: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly health: Health
  readonly metrics: MetricsSource
  /** More GET paths of this process, such as `/status`; each answers with JSON. */
  readonly pages?: Readonly<Record<string, () => unknown>>
}

/** A running operations server. */
export interface OperationsServer {
  /** The port that it listens on. */
  readonly port: number
  close(): Promise<void>
}

/**
 * Serves `/metrics` (Prometheus), `/healthz` (200 while the event loop turns), `/ready` (200 or 503 with the reason) and the
 * given pages. GET and HEAD only; it is for operators, so it belongs on loopback or a cluster-internal port.
 */
export async function serveOperations(operations: Operations): Promise<OperationsServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8_192 })
  server.maxConnections = 64
  server.on('request', (request, response) => {
    answer(operations, request).then(
      (page) => send(response, page),
      (error: unknown) => send(response, { status: 500, type: 'text/plain', body: `${String(error)}\n` }),
    )
  })
  await listen(server, operations)
  const { port } = server.address() as AddressInfo
  return { port, close: () => close(server) }
}

interface Page {
  readonly status: number
  readonly type: string
  readonly body: string
}

async function answer(operations: Operations, request: IncomingMessage): Promise<Page> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, 'GET and HEAD only')
  const path = (request.url ?? '/').replace(/\?.*$/s, '')
  if (path === '/healthz') return plain(200, 'ok')
  if (path === '/ready') return readiness(operations.health)
  if (path === '/metrics')
    return { status: 200, type: operations.metrics.contentType, body: await operations.metrics.metrics() }
  const page = Object.hasOwn(operations.pages ?? {}, path) ? operations.pages?.[path] : undefined
  if (page === undefined) return plain(404, 'no such page')
  return { status: 200, type: 'application/json', body: `${JSON.stringify(await page(), undefined, 2)}\n` }
}

function readiness(health: Health): Page {
  const phase = health.phase()
  if (phase.at === 'ready') return plain(200, 'ready')
  if (phase.at === 'starting') return plain(503, `starting: waiting for ${phase.waitingFor}`)
  if (phase.at === 'failing') return plain(503, `failing: ${phase.because}`)
  return plain(503, 'draining')
}

function plain(status: number, body: string): Page {
  return { status, type: 'text/plain; charset=utf-8', body: `${body}\n` }
}

function send(response: ServerResponse, page: Page): void {
  response.writeHead(page.status, {
    'content-type': page.type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(page.body)
}

function listen(server: Server, at: { readonly address: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(at.port, at.address, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
