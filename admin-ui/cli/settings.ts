import { type Config, ConfigError, readConfig } from '../../runtime/config.ts'
import { UP_SETTINGS } from '../../runtime/embedded/config.ts'
import { optionalSecret, optionalText } from '../../runtime/settings.ts'
import { CommandFailure, EXIT } from './exit-codes.ts'

const ELSEWHERE = 'Without it, the one that `sallyport up` on this machine uses'

/** What `up` reads, so that a command in the same shell finds what it started, and where an audit lies that no `up` wrote. */
const COMMAND_SETTINGS = {
  ...UP_SETTINGS,
  readerUrl: optionalSecret('SALLYPORT_READER_URL', `PostgreSQL as the login that reads the audit. ${ELSEWHERE}.`),
  writerUrl: optionalSecret('SALLYPORT_WRITER_URL', `PostgreSQL as the login that writes the audit. ${ELSEWHERE}.`),
  maintainerUrl: optionalSecret(
    'SALLYPORT_MAINTAINER_URL',
    `PostgreSQL as the login that makes and drops partitions. ${ELSEWHERE}.`,
  ),
  ownerUrl: optionalSecret('SALLYPORT_OWNER_URL', `PostgreSQL as the owner of the schema. ${ELSEWHERE}.`),
  spool: optionalText('SALLYPORT_SPOOL_DIR', `Folder of the decision spools. ${ELSEWHERE}.`),
  accessLog: optionalText('SALLYPORT_ACCESS_LOG', `Envoy's live access log. ${ELSEWHERE}.`),
  recorder: optionalText('SALLYPORT_RECORDER_DIR', `The recorder's folder. ${ELSEWHERE}.`),
} as const

/** The settings of the commands. Wrong ones are usage errors. */
export function settings(): Config<typeof COMMAND_SETTINGS> {
  try {
    return readConfig(COMMAND_SETTINGS, process.env)
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandFailure(EXIT.usage, error.message, { cause: error })
    throw error
  }
}
