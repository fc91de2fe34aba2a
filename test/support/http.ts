import { Agent, request as send } from 'node:http'

/** A header list as it goes on the wire: names keep their case, duplicates stay. */
export type HeaderList = readonly (readonly [name: string, value: string])[]

export interface HttpRequest {
  readonly port: number
  readonly method?: string
  readonly path: string
  readonly headers?: HeaderList
  readonly body?: string | Buffer
  readonly agent?: Agent
  /** Address to call from; all of 127.0.0.0/8 is this machine. */
  readonly from?: string
  /** ms; default 10,000. */
  readonly timeout?: number
}

export interface HttpResponse {
  readonly status: number
  /** Last value of each, lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The body as JSON; throws when it is none. */
  readonly json: () => Record<string, unknown>
}

const SHARED = new Agent({ keepAlive: true, maxSockets: 32 })

/** One HTTP/1.1 request to loopback; rejects on a reset or when the time is up. */
export function http(request: HttpRequest): Promise<HttpResponse> {
  const { port, method = 'GET', path, headers = [], body, from, timeout = 10_000 } = request
  const agent = from === undefined ? (request.agent ?? SHARED) : new Agent({ localAddress: from })
  return new Promise((resolve, reject) => {
    const own = headers.some(([name]) => name.toLowerCase() === 'host') ? [] : ['Host', `127.0.0.1:${port}`]
    const length = body === undefined ? [] : ['Content-Length', String(Buffer.byteLength(body))]
    const list = [...own, ...headers.flat(), ...length]
    const sent = send({ host: '127.0.0.1', port, method, path, agent, headers: list, timeout }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const flat = Object.entries(response.headers).map(([name, value]) => [name, String(value)])
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(flat),
          text,
          json: () => JSON.parse(text) as Record<string, unknown>,
        })
      })
    })
    sent.once('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer in ${timeout} ms`)))
    sent.once('error', reject)
    sent.end(body)
  })
}
