import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { StoreAway } from '../../../../ext-authz/store/errors.ts'
import { type AuditReader, openReader } from '../../../../ext-authz/store/reader.ts'
import { readSecretFile, Secret } from '../../../../runtime/secret.ts'
import { CommandFailure, EXIT } from '../../exit-codes.ts'
import { settings } from '../../settings.ts'

/** Folders of this machine's audit; absolute. Nothing says that they exist. */
export interface AuditFolders {
  /** One folder of segments per worker. */
  readonly spool: string
  /** Envoy's live access log and its renamed forms. */
  readonly accessLog: string
  /** Cursors, dead letters, signing key. */
  readonly recorder: string
}

/** Where this machine's audit lies: what the settings say, else what `sallyport up` uses. */
export function auditFolders(): AuditFolders {
  const { state, spool, accessLog, recorder } = settings()
  const audit = resolve(state, 'audit')
  return {
    spool: resolve(spool ?? join(audit, 'spool')),
    accessLog: accessLog === undefined ? join(audit, 'access') : dirname(resolve(accessLog)),
    recorder: resolve(recorder ?? join(audit, 'recorder')),
  }
}

const URLS = {
  reader: ['readerUrl', 'SALLYPORT_READER_URL'],
  writer: ['writerUrl', 'SALLYPORT_WRITER_URL'],
  maintainer: ['maintainerUrl', 'SALLYPORT_MAINTAINER_URL'],
  owner: ['ownerUrl', 'SALLYPORT_OWNER_URL'],
} as const

const DatabaseFile = z.object({ owner: z.string(), writer: z.string(), maintainer: z.string(), reader: z.string() })

/** How a login comes into the database: its setting, else what the last `up` of this state folder wrote. Throws {@link CommandFailure}. */
export async function databaseUrl(login: keyof typeof URLS): Promise<Secret> {
  const [property, name] = URLS[login]
  const given = settings()[property]
  if (given !== undefined) return given
  const file = resolve(settings().state, 'dev/database.json')
  const text = await readSecretFile(file).catch((cause: unknown) => {
    const next = `set ${name}, or start \`sallyport up\`, which writes ${file}`
    throw new CommandFailure(EXIT.unreachable, `no database is known: ${next}`, { cause })
  })
  const urls = DatabaseFile.safeParse(jsonOf(text))
  if (urls.success) return new Secret(urls.data[login])
  throw new CommandFailure(EXIT.unreachable, `${file} does not name the ${login}'s database: set ${name}`)
}

function jsonOf(text: Secret): unknown {
  try {
    return JSON.parse(text.reveal())
  } catch {
    return undefined
  }
}

/** Gives `use` a reader of the audit and closes it afterwards. What PostgreSQL does not answer becomes a {@link CommandFailure}. */
export async function withReader<T>(use: (reader: AuditReader) => Promise<T>): Promise<T> {
  const reader = openReader(await databaseUrl('reader'))
  try {
    return await use(reader)
  } catch (error) {
    throw unreachable(error)
  } finally {
    await reader.close()
  }
}

/** A store that is away, as the end of a command; any other error as it is. */
export function unreachable(error: unknown): unknown {
  if (!(error instanceof StoreAway)) return error
  const next = 'start it with `sallyport up`, or name another with SALLYPORT_READER_URL'
  return new CommandFailure(EXIT.unreachable, `the audit's PostgreSQL: ${error.message}; ${next}`, { cause: error })
}
