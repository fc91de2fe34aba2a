import { createHash } from 'node:crypto'
import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { type AddressInfo, createServer as createTcp, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** What an echo upstream received, as its answer says it. */
export interface Echo {
  /** Which upstream this is. */
  readonly upstream: string
  readonly protocol: string
  readonly method: string
  /** As on the wire, query included. */
  readonly path: string
  /** In the order and spelling of the wire, duplicates and all. */
  readonly headers: readonly (readonly [string, string])[]
  readonly trailers: readonly (readonly [string, string])[]
  readonly body: { readonly bytes: number; readonly sha256: string }
}

/** A running echo upstream. */
export interface EchoUpstream {
  readonly port: number
  close(): Promise<void>
}

type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse | Http2ServerResponse

const MAX_SLOW_MS = 10_000
/** First bytes of an HTTP/2 connection with prior knowledge (RFC 9113 §3.4); no HTTP/1 method starts so. */
const HTTP2_PREFACE = 'PRI * HTTP/2.0'

/**
 * A sample upstream on loopback that answers every request with what it received ({@link Echo}), over HTTP/1.1 and HTTP/2 without
 * TLS on one port. `/slow?ms=N` answers after N ms (at most 10 s), `/status/N` answers with status N.
 */
export async function startEcho(name: string, port: number): Promise<EchoUpstream> {
  const handle = (request: Request, response: Response) => {
    answer(name, request, response).catch(() => response.destroy())
  }
  const http1 = createHttp1({ requestTimeout: 60_000 }, handle)
  const http2 = createHttp2(handle)
  const sockets = new Set<Socket>()
  const server = createTcp({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.once('error', () => socket.destroy())
    socket.once('data', (first: Buffer) => {
      socket.pause()
      socket.unshift(first)
      const speaksHttp2 = first.toString('latin1', 0, HTTP2_PREFACE.length) === HTTP2_PREFACE
      ;(speaksHttp2 ? http2 : http1).emit('connection', socket)
      // The HTTP/1 parser starts reading by itself only on sockets that it accepted.
      if (!speaksHttp2) socket.resume()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

async function answer(name: string, request: Request, response: Response): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://upstream')
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of request) {
    hash.update(chunk)
    bytes += chunk.length
  }
  if (url.pathname === '/slow') await pause(Math.min(Math.max(Number(url.searchParams.get('ms')) || 0, 0), MAX_SLOW_MS))
  const echo: Echo = {
    upstream: name,
    protocol: `HTTP/${request.httpVersion}`,
    method: request.method ?? '',
    path: request.url ?? '',
    headers: pairs(request.rawHeaders),
    trailers: pairs(request.rawTrailers),
    body: { bytes, sha256: hash.digest('hex') },
  }
  send(response, statusOf(url.pathname), echo)
}

/** `/status/503`, at any depth, so that it also works below a gateway's prefix. */
function statusOf(path: string): number {
  const status = /\/status\/([2-5]\d\d)$/.exec(path)?.[1]
  return status === undefined ? 200 : Number(status)
}

function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, at) => [raw[2 * at] ?? '', raw[2 * at + 1] ?? ''])
}

function send(response: Response, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
  // The two classes have the same method, but no common type for it.
  if ('stream' in response && 'createPushResponse' in response) response.writeHead(status, headers)
  else response.writeHead(status, headers)
  response.end(text)
}
