import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

/** PostgreSQL's own default (`scram_iterations`). */
const ITERATIONS = 4_096

/**
 * What PostgreSQL keeps of a password (RFC 5803): given as the password of a role it is stored as it is, so the
 * password itself is in no statement that a server may log. ASCII only: others would have to pass SASLprep, on which
 * clients differ.
 */
export async function scramVerifier(password: string, salt: Buffer = randomBytes(16)): Promise<string> {
  if (!/^[\x20-\x7e]+$/.test(password)) throw new TypeError('the password of a login must be printable ASCII')
  const salted = await promisify(pbkdf2)(password, salt, ITERATIONS, 32, 'sha256')
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64')
  const serverKey = hmac(salted, 'Server Key').toString('base64')
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest()
