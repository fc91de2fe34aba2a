import { Agent, type ClientRequest, type IncomingMessage, request as send } from 'node:http'
import { connect } from 'node:net'
import { until } from '../support/until.ts'
import { type Attempt, clock, type Ending, Ledger } from './ledger.ts'
import { drawFrom, KINDS, type Kind, RAW_KINDS, type RawKind } from './mix.ts'
import { seeded } from './random.ts'

/** Connections, and so requests that wait for an answer; what is due beyond them is held back and counted. */
const MAX_CONNECTIONS = 192
/** A client gives up after this, ms; longer than any stop of a process lasts. */
const PATIENCE_MS = 15_000
const TICK_MS = 10

/** What a load sends and where. */
export interface LoadPlan {
  /** Envoy's plain listener on loopback. */
  readonly port: number
  /** Requests a second. */
  readonly rate: number
  readonly seed: number
  /** Names this load's requests; letters, digits and hyphens. */
  readonly run: string
  /** The token of a development user. */
  readonly tokens: ReadonlyMap<string, string>
  /** What it sends; default {@link KINDS} and {@link RAW_KINDS}. */
  readonly kinds?: readonly Kind[]
  readonly rawKinds?: readonly RawKind[]
}

/** Sends the mix at a steady rate, whatever becomes of the answers, and keeps the account. */
export class ChaosLoad {
  readonly ledger = new Ledger()
  readonly #plan: LoadPlan
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, scheduling: 'fifo' })
  readonly #draw: () => Kind | RawKind
  readonly #timer: NodeJS.Timeout
  #waiting = 0
  #owed = 0
  #lastTick = performance.now()

  constructor(plan: LoadPlan) {
    this.#plan = plan
    this.#draw = drawFrom([...(plan.kinds ?? KINDS), ...(plan.rawKinds ?? RAW_KINDS)], seeded(plan.seed))
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  /** Sends no more; resolves when every request has its ending. */
  async stop(): Promise<Ledger> {
    clearInterval(this.#timer)
    await until('the last answers', () => this.#waiting === 0, PATIENCE_MS + 5_000)
    this.#agent.destroy()
    return this.ledger
  }

  #tick(): void {
    const now = performance.now()
    // A process that was held up does not send all that it owes at once.
    this.#owed += (Math.min(now - this.#lastTick, 500) / 1000) * this.#plan.rate
    this.#lastTick = now
    for (; this.#owed >= 1; this.#owed--) this.#next()
  }

  #next(): void {
    if (this.#waiting >= MAX_CONNECTIONS) {
      this.ledger.heldBack += 1
      return
    }
    const kind = this.#draw()
    const number = this.ledger.attempts.length
    const id = 'bytes' in kind ? address(number) : `${this.#plan.run}-${number}`
    const attempt = this.ledger.sent(id, kind.name, clock())
    this.#waiting += 1
    const end = (ending: Ending) => {
      // A broken connection tells several times; the first word counts.
      if (attempt.ending !== undefined) return
      attempt.ending = ending
      this.#waiting -= 1
    }
    if ('bytes' in kind) sendRaw(this.#plan.port, id, kind, end)
    else this.#send(attempt, kind, end)
  }

  #send({ id }: Attempt, kind: Kind, end: (ending: Ending) => void): void {
    const { port, tokens } = this.#plan
    const token = kind.as === undefined ? undefined : tokens.get(kind.as)
    const headers = [
      ...['Host', `127.0.0.1:${port}`, 'X-Correlation-ID', id],
      ...(token === undefined ? [] : ['Authorization', `Bearer ${token}`]),
      ...(kind.headers ?? []).flat(),
      ...(kind.body === undefined ? [] : ['Content-Length', String(Buffer.byteLength(kind.body))]),
    ]
    const { method = 'GET', path } = kind
    const options = { host: '127.0.0.1', port, method, path, agent: this.#agent, headers, timeout: PATIENCE_MS }
    const sent = send(options, (response) => take(response, end))
    sent.once('timeout', () => giveUp(sent, end))
    sent.on('error', (error) => end(broken(error)))
    sent.end(kind.body)
  }
}

function take(response: IncomingMessage, end: (ending: Ending) => void): void {
  const id = response.headers['x-request-id']
  response.once('end', () => {
    const status = response.statusCode ?? 0
    end({ how: 'answered', at: clock(), status, requestId: typeof id === 'string' ? id : undefined })
  })
  response.once('error', (error) => end(broken(error)))
  response.resume()
}

function giveUp(sent: ClientRequest, end: (ending: Ending) => void): void {
  end({ how: 'timeout', at: clock() })
  sent.destroy()
}

function broken(error: Error): Ending {
  const refused = 'code' in error && error.code === 'ECONNREFUSED'
  return { how: refused ? 'refused' : 'reset', at: clock() }
}

/** Bytes as they are on a connection of its own, from an address of its own. */
function sendRaw(port: number, from: string, { bytes }: RawKind, end: (ending: Ending) => void): void {
  let answer = ''
  const socket = connect({ port, host: '127.0.0.1', localAddress: from })
  socket.setEncoding('latin1')
  socket.setTimeout(PATIENCE_MS, () => {
    end({ how: 'timeout', at: clock() })
    socket.destroy()
  })
  socket.once('connect', () => socket.write(bytes))
  socket.on('data', (chunk: string) => {
    answer += chunk
    const head = /^HTTP\/1\.1 (\d{3}) [\s\S]*?\r\n\r\n/.exec(answer)
    if (head === null) return
    const requestId = /\r\nx-request-id: (\S+)/.exec(head[0])?.[1]
    end({ how: 'answered', at: clock(), status: Number(head[1]), requestId })
    socket.destroy()
  })
  socket.on('error', (error) => end(broken(error)))
  socket.once('close', () => end({ how: 'reset', at: clock() }))
}

/** A loopback address per number, none of them 127.0.0.x. */
function address(number: number): string {
  const spread = (number % (254 * 254 * 250)) + 254 * 254
  return `127.${1 + Math.floor(spread / (254 * 254))}.${1 + (Math.floor(spread / 254) % 254)}.${1 + (spread % 254)}`
}
