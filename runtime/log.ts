import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'
import type { LogLevel } from './settings.ts'

/** The logger of every process: one JSON object a line, `msg` is for people, the other members for machines. */
export type Log = Logger

/** Names whose values never reach a log, wherever they stand in the first two levels; `Secret` protects the rest. */
const REDACTED = ['authorization', 'cookie', 'token', 'password', 'secret', 'privateKey'].flatMap((name) => [
  name,
  `*.${name}`,
])

/**
 * Makes the logger of one process. Lines go to stdout (or `to`), written at once: what a process said before it was killed is
 * there. Errors go under `err` with their causes.
 */
export function createLog(
  processName: string,
  level: LogLevel,
  to: DestinationStream = destination({ dest: 1, sync: true }),
): Log {
  const options = {
    level,
    base: { process: processName, pid: process.pid },
    timestamp: stdTimeFunctions.isoTime,
    redact: { paths: REDACTED, censor: '***REDACTED***' },
  }
  return pino(options, to)
}
