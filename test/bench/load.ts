import { connect, type Socket } from 'node:net'

/** One timed stretch of load. */
export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  /** Latency of each request, ms, sorted. */
  readonly latencies: readonly number[]
  /** Status codes other than 200 with their counts; empty in a good run. */
  readonly unexpected: Readonly<Record<string, number>>
}

/** What to send: closed loop, one request at a time on each of `connections` kept-alive connections. */
export interface Load {
  readonly port: number
  readonly path: string
  readonly connections: number
  /** Ends after this time, at most 60 s. */
  readonly seconds: number
  /** Ends earlier, after this many requests. */
  readonly requests?: number
  /** The Authorization header of the next request. */
  readonly nextHeader: () => string
}

const MAX_SECONDS = 60
/** An answer that takes longer fails the run. */
const ANSWER_MS = 10_000

/** Runs one load against loopback. A connection that breaks, or an answer that this small client cannot read, fails the run. */
export async function runLoad(load: Load): Promise<LoadResult> {
  const run = { latencies: [] as number[], unexpected: {} as Record<string, number> }
  const started = performance.now()
  const until = started + Math.min(load.seconds, MAX_SECONDS) * 1000
  let left = load.requests ?? Number.POSITIVE_INFINITY
  const mayGoOn = () => left-- > 0 && performance.now() < until
  const client = async () => {
    const connection = await Connection.open(load.port)
    while (mayGoOn()) {
      const sent = performance.now()
      const status = await connection.get(load.path, load.nextHeader())
      run.latencies.push(performance.now() - sent)
      if (status !== 200) run.unexpected[status] = (run.unexpected[status] ?? 0) + 1
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: load.connections }, client))
  const seconds = (performance.now() - started) / 1000
  return { ...run, latencies: run.latencies.sort((a, b) => a - b), requests: run.latencies.length, seconds }
}

/**
 * One kept-alive HTTP/1.1 connection that asks and waits. It reads only what Envoy sends here, answers with a Content-Length: on two
 * shared cores a full HTTP client would take the time from what is measured.
 */
class Connection {
  readonly #socket: Socket
  #read = ''
  #waiting: { resolve(status: number): void; reject(error: Error): void } | undefined

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new Connection(socket)))
    })
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setTimeout(ANSWER_MS, () => this.#fail(new Error(`no answer within ${ANSWER_MS} ms`)))
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => this.#take(chunk))
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed before the answer')))
  }

  get(path: string, authorization: string): Promise<number> {
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: bench.example\r\nauthorization: ${authorization}\r\n\r\n`)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: string): void {
    this.#read += chunk
    const head = this.#read.indexOf('\r\n\r\n')
    if (head === -1) return
    const length = /\r\ncontent-length: (\d+)\r\n/.exec(this.#read.slice(0, head + 2))?.[1]
    if (length === undefined) {
      this.#fail(new Error(`an answer without length: ${this.#read.slice(0, 200)}`))
      return
    }
    if (this.#read.length < head + 4 + Number(length)) return
    const status = Number(this.#read.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length))
    this.#read = ''
    this.#waiting?.resolve(status)
    this.#waiting = undefined
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error)
    this.#waiting = undefined
    this.#socket.destroy()
  }
}
