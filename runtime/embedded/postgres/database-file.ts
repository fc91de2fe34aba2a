import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { Secret } from '../../secret.ts'
import { replaceFile } from '../replace-file.ts'
import { OWNER, ownerUrl } from './cluster.ts'

/** Logins of the recorder and of those who read, one per thing that they may do; the recorder makes them when it migrates. */
const LOGINS = {
  writer: 'sallyport_recorder',
  maintainer: 'sallyport_maintenance',
  reader: 'sallyport_reading',
} as const

/** How each comes into the database: URLs with passwords. */
export interface DatabaseUrls {
  /** Owns the schema: migrates and makes the other logins. */
  readonly owner: Secret
  /** Inserts rows and completes them. */
  readonly writer: Secret
  /** Makes and drops partitions. */
  readonly maintainer: Secret
  /** Reads what the row-level policies let it. */
  readonly reader: Secret
}

const Kept = z.object({ owner: z.string(), writer: z.string(), maintainer: z.string(), reader: z.string() })

/**
 * The URLs of the development database, with passwords that were made at the first start and stay. They are kept in `file` (mode 0600)
 * for the command line. `external` is the owner's URL of a PostgreSQL that stands for the embedded one on `port`; throws when it is none.
 */
export async function databaseUrls(
  file: string,
  at: { port: number; external?: Secret | undefined },
): Promise<DatabaseUrls> {
  const before = await keptUrls(file)
  const password = (kept: string | undefined) => kept ?? randomBytes(18).toString('base64url')
  const owner =
    at.external === undefined
      ? new URL(ownerUrl(at.port, password(passwordOf(before?.owner, OWNER))))
      : externalUrl(at.external)
  const login = (which: keyof typeof LOGINS) => {
    const url = new URL(owner)
    url.username = LOGINS[which]
    url.password = password(passwordOf(before?.[which], LOGINS[which]))
    return url.href
  }
  const urls = { owner: owner.href, writer: login('writer'), maintainer: login('maintainer'), reader: login('reader') }
  await replaceFile(file, `${JSON.stringify(urls, undefined, 2)}\n`)
  return {
    owner: new Secret(urls.owner),
    writer: new Secret(urls.writer),
    maintainer: new Secret(urls.maintainer),
    reader: new Secret(urls.reader),
  }
}

/** A file of another shape, or none, holds no passwords that anybody has. */
async function keptUrls(file: string): Promise<z.infer<typeof Kept> | undefined> {
  try {
    return Kept.safeParse(JSON.parse(await readFile(file, 'utf8'))).data
  } catch {
    return undefined
  }
}

/** The password that a URL holds for that login. */
function passwordOf(url: string | undefined, login: string): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined
  const { username, password } = new URL(url)
  return username === login && /^[\w-]+$/.test(password) ? password : undefined
}

function externalUrl(external: Secret): URL {
  const text = external.reveal()
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^postgres(ql)?:$/.test(url.protocol) && url.hostname !== '' && url.pathname.length > 1)
    return url
  throw new Error(
    'DATABASE_URL must be like postgres://owner:password@host:5432/database; unset it to use the embedded PostgreSQL',
  )
}
