import { drainOnSignal } from '../../drain.ts'
import { createHealth } from '../../health.ts'
import { createLog } from '../../log.ts'
import { config } from './config.ts'
import { startEcho } from './echo.ts'

const log = createLog(config.name, config.logLevel)
const health = createHealth('the listener')
const upstream = await startEcho(config.name, config.port)
drainOnSignal({ health, log, closers: [{ name: 'the listener', close: upstream.close }] })
health.move({ at: 'ready' })
log.info({ port: upstream.port }, `${config.name} at http://127.0.0.1:${upstream.port}`)
