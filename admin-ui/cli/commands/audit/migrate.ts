import { Command } from 'commander'
import { StoreAway } from '../../../../ext-authz/store/errors.ts'
import { ensureLogins, type LoginUrls } from '../../../../ext-authz/store/logins.ts'
import { migrate } from '../../../../ext-authz/store/migrate.ts'
import { Secret } from '../../../../runtime/secret.ts'
import { CommandFailure, EXIT } from '../../exit-codes.ts'
import { data, talk } from '../../output.ts'
import { settings } from '../../settings.ts'
import { databaseUrl } from './places.ts'

const LOGINS = ['writer', 'maintainer', 'reader'] as const

/** `sallyport audit migrate`: the schema and the logins in a PostgreSQL of one's own. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .summary('bring a PostgreSQL to this version of the schema, and make its logins')
    .description(
      'Brings the schema of the audit in a PostgreSQL to this version, and makes the logins that SALLYPORT_WRITER_URL,\nSALLYPORT_MAINTAINER_URL and SALLYPORT_READER_URL name, with the passwords in them. Needs the owner of the database (docs/audit.md).\nDoing it again changes nothing.',
    )
    .option('--database <url>', 'the database as its owner (default: SALLYPORT_OWNER_URL, which no process list shows)')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport audit migrate\n  $ SALLYPORT_OWNER_URL=postgres://owner:…@db.internal/audit sallyport audit migrate',
    )
    .action(async ({ database }: { readonly database?: string }) => {
      const external = database !== undefined || settings().ownerUrl !== undefined
      const owner = database === undefined ? await databaseUrl('owner') : postgresUrl(database)
      const logins = external ? loginsOfSettings() : await loginsOfUp()
      const steps = await asked(migrate(owner))
      for (const step of steps) data(step)
      talk(steps.length === 0 ? 'the schema is of this version already' : `${steps.length} migrations done`)
      if (logins === undefined) {
        talk('no logins made: set SALLYPORT_WRITER_URL, SALLYPORT_MAINTAINER_URL and SALLYPORT_READER_URL')
        return
      }
      await asked(ensureLogins(owner, logins))
      talk(`logins: ${LOGINS.map((login) => `${userOf(logins[login])} (${login})`).join(', ')}`)
    })
}

function postgresUrl(text: string): Secret {
  if (URL.canParse(text) && /^postgres(ql)?:$/.test(new URL(text).protocol)) return new Secret(text)
  throw new CommandFailure(EXIT.usage, '--database must be like postgres://owner:password@host:5432/database')
}

async function loginsOfUp(): Promise<LoginUrls> {
  const [writer, maintainer, reader] = [
    await databaseUrl('writer'),
    await databaseUrl('maintainer'),
    await databaseUrl('reader'),
  ]
  return { writer, maintainer, reader }
}

/** Those of somebody's own database; undefined where none is named. */
function loginsOfSettings(): LoginUrls | undefined {
  const { writerUrl: writer, maintainerUrl: maintainer, readerUrl: reader } = settings()
  if (writer !== undefined && maintainer !== undefined && reader !== undefined) return { writer, maintainer, reader }
  if (writer === undefined && maintainer === undefined && reader === undefined) return undefined
  throw new CommandFailure(
    EXIT.usage,
    'SALLYPORT_WRITER_URL, SALLYPORT_MAINTAINER_URL and SALLYPORT_READER_URL go together: set all three or none',
  )
}

function userOf(url: Secret): string {
  return decodeURIComponent(new URL(url.reveal()).username)
}

/** Both say in their errors what is to be done; only what is away may be tried again as it is. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const code = error instanceof StoreAway ? EXIT.unreachable : EXIT.notAllowed
    throw new CommandFailure(code, `the database: ${error.message}`, { cause: error })
  }
}
