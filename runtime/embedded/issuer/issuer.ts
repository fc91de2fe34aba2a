import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdapter } from './adapter.ts'
import { answerDevelopment } from './development.ts'
import { openSigningKeys } from './keys.ts'
import { createProvider } from './provider.ts'

/** A running development issuer. */
export interface Issuer {
  /** Value of `iss`: `http://127.0.0.1:<port>`. */
  readonly url: string
  close(): Promise<void>
}

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown

/**
 * Starts an OIDC provider for development on loopback, with the users of `users.ts`. `keyFile` holds its signing keys between
 * runs; port 0 lets the system choose. `fail` hears of requests that broke inside.
 */
export async function startIssuer(options: {
  readonly port: number
  readonly keyFile: string
  readonly fail: (error: unknown) => void
}): Promise<Issuer> {
  const keys = await openSigningKeys(options.keyFile)
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 })
  server.maxConnections = 1_024
  await listen(server, options.port)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const adapter = createAdapter()
  const build = (): Handler => createProvider(url, keys, adapter).callback()
  let provider = build()
  const development = {
    url,
    keys,
    onKeys: () => {
      provider = build()
    },
  }
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '/'
    if (path === '/health') return void response.end('ok\n')
    if (!path.startsWith('/dev/')) return void provider(request, response)
    answerDevelopment(development, request, response).catch((error: unknown) => {
      options.fail(error)
      response.destroy()
    })
  })
  return { url, close: () => close(server) }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
