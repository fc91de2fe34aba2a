import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** CommandComplete with the tag `COMMIT` (PostgreSQL protocol 3, "Message Formats"). */
const COMMITTED = Buffer.from('C\0\0\0\x0bCOMMIT\0', 'latin1')
/** A peer that takes nothing for so long is let go, ms. */
const QUIET_MS = 60_000

/** A TCP proxy on loopback in front of PostgreSQL that can lose the answer to a COMMIT. */
export interface CommitCut {
  readonly port: number
  /** The next connection to get the answer to a COMMIT breaks instead; resolves when it did. The database has committed then. */
  cutNext(): Promise<void>
  /** Ends it and all its connections. */
  close(): Promise<void>
}

/** Starts the proxy; without TLS in between, which nobody uses on loopback. */
export async function startCommitCut(toPort: number): Promise<CommitCut> {
  const sockets = new Set<Socket>()
  let armed: (() => void) | undefined
  const server = createServer((client) => {
    const database = connect({ port: toPort, host: '127.0.0.1' })
    const end = () => {
      client.destroy()
      database.destroy()
    }
    for (const socket of [client, database]) {
      sockets.add(socket)
      socket.setTimeout(QUIET_MS, end)
      // Either side may break at any time; that is what it is for.
      socket.on('error', end)
      socket.once('close', () => {
        sockets.delete(socket)
        end()
      })
    }
    client.pipe(database)
    let tail: Buffer = Buffer.alloc(0)
    database.on('data', (chunk: Buffer) => {
      const seen = Buffer.concat([tail, chunk])
      tail = seen.subarray(Math.max(0, seen.length - COMMITTED.length + 1))
      if (armed !== undefined && seen.includes(COMMITTED)) {
        armed()
        armed = undefined
        return end()
      }
      if (!client.write(chunk)) {
        database.pause()
        client.once('drain', () => database.resume())
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    cutNext: () =>
      new Promise((resolve) => {
        armed = resolve
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
