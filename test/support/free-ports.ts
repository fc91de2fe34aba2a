import { createServer, type Server } from 'node:net'

// Below the ports that Linux (32768 on) and macOS (49152 on) give to outgoing connections and to `listen(0)`:
// a port from there can be taken between the look at it and its use.
const FIRST = 20_000
const BLOCK = 200
const BLOCKS = 60

/** The first port of a block is held open by the process that the block belongs to: it ends with the process. */
let owned: Promise<{ readonly first: number; next: number }> | undefined

/** Ports of loopback that are free and that no other process which asks here gets, all different. */
export async function freePorts(count: number): Promise<number[]> {
  owned ??= ownBlock()
  const block = await owned
  const ports: number[] = []
  for (let tried = 1; tried < BLOCK && ports.length < count; tried++) {
    block.next = (block.next % (BLOCK - 1)) + 1
    const port = block.first + block.next
    const server = await listen(port)
    if (server === undefined) continue
    await new Promise((resolve) => server.close(resolve))
    ports.push(port)
  }
  if (ports.length < count) throw new Error(`no ${count} free ports from ${block.first} to ${block.first + BLOCK - 1}`)
  return ports
}

/** The search begins at a block of its own for each process, so that few meet. */
async function ownBlock(): Promise<{ readonly first: number; next: number }> {
  for (let tried = 0; tried < BLOCKS; tried++) {
    const first = FIRST + ((process.pid + tried) % BLOCKS) * BLOCK
    const server = await listen(first)
    if (server === undefined) continue
    server.unref()
    return { first, next: 0 }
  }
  throw new Error(`no free block of ports from ${FIRST} to ${FIRST + BLOCK * BLOCKS - 1}`)
}

/** Listening on this port; undefined: something else does. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(undefined) : reject(error),
    )
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
