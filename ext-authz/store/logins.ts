import { escapeIdentifier, escapeLiteral } from 'pg'
import type { Secret } from '../../runtime/secret.ts'
import { type Session, withConnection } from './connection.ts'
import { scramVerifier } from './scram.ts'

/** Connection URLs of the three logins, with user and password. */
export interface LoginUrls {
  readonly writer: Secret
  readonly maintainer: Secret
  readonly reader: Secret
}

const ROLES = { writer: 'sallyport_writer', maintainer: 'sallyport_maintainer', reader: 'sallyport_reader' } as const
type Duty = keyof typeof ROLES

const LIMITS = { name: 'sallyport-migrate', connectMs: 5_000, statementMs: 30_000, lockMs: 10_000 }

/**
 * Creates the logins that the URLs name, or gives them the URLs' passwords, and puts each into its role and no other of
 * ours; they find `gateway_audit_logs` by its bare name. Safe to repeat. Call it after `migrate`. A
 * URL without a password leaves the password alone.
 * Rejects with `StoreAway`; with a plain `Error` where two URLs share a user or a login could pass row-level security.
 */
export async function ensureLogins(owner: Secret, urls: LoginUrls): Promise<void> {
  const logins = Object.entries(ROLES).map(([duty, role]) => loginOf(duty as Duty, role, urls))
  refuseSharedUsers(logins)
  await withConnection(owner, LIMITS, async (session) => {
    await session.query('BEGIN')
    // Another gateway's recorder may do the same in this moment.
    await session.query(`SELECT pg_advisory_xact_lock(hashtext('sallyport.logins'))`)
    for (const login of logins) await ensureLogin(session, login)
    await session.query('COMMIT')
  })
}

interface Login {
  readonly duty: Duty
  readonly role: string
  readonly user: string
  readonly password: string
}

function loginOf(duty: Duty, role: string, urls: LoginUrls): Login {
  const url = URL.parse(urls[duty].reveal())
  if (url === null || url.username === '')
    throw new LoginError(
      `the ${duty}'s database URL names no user: it must look like postgres://user:password@host/database`,
    )
  return { duty, role, user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
}

function refuseSharedUsers(logins: readonly Login[]): void {
  for (const { duty, user } of logins) {
    const other = logins.find((login) => login.duty !== duty && login.user === user)
    if (other !== undefined)
      throw new LoginError(`${duty} and ${other.duty} have the same user ${user}: give each a login of its own`)
  }
}

async function ensureLogin(session: Session, { duty, role, user, password }: Login): Promise<void> {
  const name = escapeIdentifier(user)
  const found = await session.query<{ strong: boolean }>(
    'SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolname = current_user AS strong FROM pg_roles WHERE rolname = $1',
    [user],
  )
  if (found.rows[0]?.strong === true)
    throw new LoginError(`the ${duty}'s user ${user} could pass row-level security: give it a login without rights`)
  // Utility statements take no parameters; of the password only its verifier is in the text.
  const secret = password === '' ? '' : `PASSWORD ${escapeLiteral(await scramVerifier(password))}`
  await session.query(`${found.rowCount === 0 ? 'CREATE' : 'ALTER'} ROLE ${name} LOGIN INHERIT ${secret}`)
  for (const other of Object.values(ROLES)) {
    await session.query(other === role ? `GRANT ${role} TO ${name}` : `REVOKE ${other} FROM ${name}`)
  }
  await session.query(`ALTER ROLE ${name} SET search_path = sallyport, public`)
}

/** The URLs cannot be used as they are. */
class LoginError extends Error {
  override readonly name = 'LoginError'
}
