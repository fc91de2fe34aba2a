import { type Config, ConfigError, readConfig } from '../../runtime/config.ts'
import { UP_SETTINGS } from '../../runtime/embedded/config.ts'
import { CommandFailure, EXIT } from './exit-codes.ts'

/** The settings that `up` reads, so that a command in the same shell finds what it started. Wrong ones are usage errors. */
export function settings(): Config<typeof UP_SETTINGS> {
  try {
    return readConfig(UP_SETTINGS, process.env)
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandFailure(EXIT.usage, error.message, { cause: error })
    throw error
  }
}
