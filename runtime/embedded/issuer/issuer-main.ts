import { drainOnSignal } from '../../drain.ts'
import { createHealth } from '../../health.ts'
import { createLog } from '../../log.ts'
import { config } from './config.ts'
import { startIssuer } from './issuer.ts'

const log = createLog('issuer', config.logLevel)
const health = createHealth('the listener')
const issuer = await startIssuer({
  port: config.port,
  keyFile: config.keyFile,
  fail: (err) => log.error({ err }, 'a request to /dev/ failed'),
})
drainOnSignal({ health, log, closers: [{ name: 'listener', close: issuer.close }] })
health.move({ at: 'ready' })
log.info({ url: issuer.url }, `issuer at ${issuer.url}`)
