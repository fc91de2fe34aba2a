import { connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { ensureLogins } from '../../../ext-authz/store/logins.ts'
import { migrate } from '../../../ext-authz/store/migrate.ts'
import { Secret } from '../../../runtime/secret.ts'

/** URLs of the three logins of a database. */
export interface TestLogins {
  readonly writer: Secret
  readonly maintainer: Secret
  readonly reader: Secret
}

/** Brings an empty database to the present schema and makes the logins. */
export async function prepareDatabase(ownerUrl: string): Promise<TestLogins> {
  const login = (duty: string) => {
    const url = new URL(ownerUrl)
    url.username = `test_${duty}`
    url.password = `password-of-${duty}`
    return new Secret(url.href)
  }
  const logins = { writer: login('writer'), maintainer: login('maintainer'), reader: login('reader') }
  await migrate(new Secret(ownerUrl))
  await ensureLogins(new Secret(ownerUrl), logins)
  return logins
}

/** A connection on its way to PostgreSQL that can be cut where it hurts most. */
export interface CuttingProxy {
  /** The same login by way of the proxy. */
  readonly url: Secret
  /** From now on every connection ends between COMMIT and its answer. */
  cutAfterCommit(yes: boolean): void
  /** How often that happened. */
  readonly cuts: number
}

/** Listens on loopback until the end of the test. */
export async function cuttingProxy(target: Secret): Promise<CuttingProxy> {
  const to = new URL(target.reveal())
  const state = { cutting: false, cuts: 0 }
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(Number(to.port), to.hostname)
    let committing = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    client.on('data', (bytes) => {
      committing ||= state.cutting && bytes.includes('COMMIT\0')
      upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      if (!committing) return client.write(bytes)
      // It has answered, so it has committed.
      state.cuts += 1
      client.destroy()
      return upstream.destroy()
    })
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  })
  const port = await listen(server)
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const url = new URL(to)
  url.port = String(port)
  return {
    url: new Secret(url.href),
    cutAfterCommit: (yes) => {
      state.cutting = yes
    },
    get cuts() {
      return state.cuts
    },
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}
