import { configure } from '../../config.ts'
import { LOG_LEVEL, port, text } from '../../settings.ts'

/** Settings of a sample upstream's process. */
export const config = configure('upstream', {
  name: text('SALLYPORT_UPSTREAM_NAME', { doc: 'What it calls itself in its answers.', default: 'plant' }),
  port: port('SALLYPORT_UPSTREAM_PORT', 8000, 'Loopback port that it listens on, HTTP/1.1 and HTTP/2.'),
  logLevel: LOG_LEVEL,
})
