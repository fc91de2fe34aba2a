import { connect } from 'node:net'

/** A peer that neither answers nor closes is let go after this; attacks that Envoy answers end sooner. */
const QUIET_MS = 300
const LONGEST_MS = 5_000

/** The answers on one HTTP/1.1 connection to what was written there. */
export interface RawAnswers {
  /** Of each answer in order; a lone 100 is none. */
  readonly statuses: readonly number[]
  readonly text: string
}

/** Writes bytes as they are (latin1) to loopback and reads until the peer closes or nothing comes any more. */
export async function rawHttp1(port: number, bytes: string): Promise<RawAnswers> {
  const text = (await exchange(port, Buffer.from(bytes, 'latin1'))).toString('latin1')
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
  return { statuses: statuses.filter((status) => status !== 100), text }
}

type Fields = readonly (readonly [name: string, value: string])[]

/** The body of the answer to one HTTP/2 request, header fields as given: no client library refuses them first. `''`: refused. */
export async function rawHttp2(port: number, fields: Fields): Promise<string> {
  const request = [
    PREFACE,
    frame(FRAME.settings, 0, 0),
    frame(FRAME.headers, END_STREAM | END_HEADERS, 1, block(fields)),
  ]
  let rest = await exchange(port, Buffer.concat(request))
  let body = ''
  while (rest.length >= 9) {
    const length = rest.readUIntBE(0, 3)
    if (rest[3] === FRAME.data) body += rest.subarray(9, 9 + length).toString('utf8')
    rest = rest.subarray(9 + length)
  }
  return body
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const FRAME = { data: 0, headers: 1, settings: 4 } as const
const END_STREAM = 1
const END_HEADERS = 4

/** RFC 9113 §4.1. */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Literal fields without indexing and without Huffman coding (RFC 7541 §6.2.2). */
function block(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), string(name), string(value)]))
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const length = [127]
  let left = bytes.length - 127
  for (; left >= 128; left = Math.floor(left / 128)) length.push((left % 128) + 128)
  return Buffer.concat([Buffer.from([...length, left]), bytes])
}

function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    const longest = setTimeout(() => socket.destroy(), LONGEST_MS)
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    // Quiet only counts after an answer: a busy machine may take its time for the first byte.
    socket.on('data', () => socket.setTimeout(QUIET_MS, () => socket.destroy()))
    // A reset is how some attacks are answered; what came before it still counts.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(longest)
      resolve(Buffer.concat(chunks))
    })
  })
}
