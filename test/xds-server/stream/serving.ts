import { createLog } from '../../../runtime/log.ts'
import type { Snapshot } from '../../../xds-server/snapshot.ts'
import type { StreamEvent } from '../../../xds-server/stream/events.ts'
import { createXdsServer, type XdsLimits } from '../../../xds-server/stream/server.ts'
import { DeltaConnection, type DeltaStream } from '../../support/delta-client.ts'

/** A line of the log: its text, and the facts beside it. */
export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [fact: string]: unknown
}

/** An ADS server on a free port, its log and events, and clients that end with it. */
export async function serving(target?: Snapshot, limits: Partial<XdsLimits> = {}) {
  const lines: LogLine[] = []
  const events: StreamEvent[] = []
  const clock = { offset: 0 }
  const log = createLog('xds-server', 'debug', { write: (line) => lines.push(JSON.parse(line)) })
  const server = await createXdsServer({
    address: '127.0.0.1:0',
    identifier: 'test/1',
    log,
    now: () => Date.now() + clock.offset,
    onEvent: (event) => events.push(event),
    limits,
  })
  if (target !== undefined) server.publish(target)
  const connections: DeltaConnection[] = []
  const connect = (): DeltaConnection => {
    const connection = new DeltaConnection(server.port)
    connections.push(connection)
    return connection
  }
  return {
    server,
    log,
    lines,
    events,
    clock,
    connect,
    /** A stream on a connection of its own. */
    open: (nodeId?: string): DeltaStream => connect().open(nodeId),
    close() {
      for (const connection of connections) connection.close()
      server.close()
    },
  }
}

export type Serving = Awaited<ReturnType<typeof serving>>
