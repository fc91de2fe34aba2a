import { configure } from '../../config.ts'
import { LOG_LEVEL, port, text } from '../../settings.ts'

/** Settings of the development issuer's process. */
export const config = configure('issuer', {
  port: port('SALLYPORT_ISSUER_PORT', 9000, 'Loopback port of the development issuer; part of its issuer URL.'),
  keyFile: text('SALLYPORT_ISSUER_KEYS', {
    doc: 'File of its signing keys (mode 0600), made when missing; without it tokens of earlier runs are refused.',
    default: '.sallyport/dev/issuer-keys.json',
  }),
  logLevel: LOG_LEVEL,
})
