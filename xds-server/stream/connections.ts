import { createServer, type Socket } from 'node:net'
import { type Server, ServerCredentials } from '@grpc/grpc-js'

/** Where Envoys come in. */
export interface Connections {
  readonly port: number
  /** Cuts the connection of a peer, as `call.getPeer()` names it. */
  drop(peer: string): void
  /** Takes no more connections and cuts those that are open. */
  close(): void
}

/**
 * Listens on `host:port` in plaintext for a gRPC server. The sockets are ours, for grpc-js has no way to end a stream whose client
 * does not read: its status would queue behind the bytes that are stuck (C40).
 */
export async function acceptConnections(
  server: Server,
  address: string,
  { limit, onError }: { readonly limit: number; readonly onError: (error: Error) => void },
): Promise<Connections> {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const open = new Map<string, Socket>()
  const listener = createServer({ noDelay: true }, (socket) => {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`
    open.set(peer, socket)
    socket.once('close', () => open.delete(peer))
    injector.injectConnection(socket)
  })
  listener.maxConnections = limit
  const { host, port } = parseAddress(address)
  await new Promise<void>((resolve, reject) => {
    const refuse = (cause: Error) => reject(new Error(`xDS cannot listen on ${address}`, { cause }))
    listener.once('error', refuse)
    listener.listen(port, host, () => {
      listener.off('error', refuse)
      listener.on('error', onError)
      resolve()
    })
  })
  const bound = listener.address()
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    drop: (peer) => open.get(peer)?.destroy(),
    close() {
      listener.close()
      for (const socket of open.values()) socket.destroy()
    },
  }
}

function parseAddress(address: string): { host: string; port: number } {
  const { host, port } = /^(?<host>\[[^\]]+\]|[^:[\]]+):(?<port>\d{1,5})$/.exec(address)?.groups ?? {}
  if (host === undefined) throw new Error(`the xDS address must be host:port or [IPv6]:port, got ${address}`)
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}
