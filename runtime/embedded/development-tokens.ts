import { join } from 'node:path'
import { z } from 'zod'
import { writableFolder } from './checkout.ts'
import { USERS } from './issuer/users.ts'
import { replaceFile } from './replace-file.ts'

/** What the development issuer is asked to sign. */
export interface TokenWish {
  /** Name of a ready-made user. */
  readonly as: string
  /** Issuer of the definitions to speak for. Default `waooaw`. */
  readonly issuer?: string
  /** Laid over the user's claims; `null` takes one away. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** Life in seconds; negative: already expired. Default one hour. */
  readonly expiresIn?: number
}

const Signed = z.object({ token: z.string() })
const Refused = z.object({ error: z.string() })

/** Nobody answers at the issuer's address. */
export class IssuerUnreachable extends Error {}

/** The development issuer understood, and refused; the message says why. */
export class TokenRefused extends Error {}

/** Asks the development issuer for a token. Throws {@link IssuerUnreachable} or {@link TokenRefused}. */
export async function developmentToken(issuer: string, wish: TokenWish): Promise<string> {
  return Signed.parse(await post(`${issuer}/dev/token`, wish)).token
}

const Rotated = z.object({ current: z.string(), published: z.array(z.string()) })

/** Makes the development issuer sign with a new key, or (`dropOld`) stop publishing the old ones. Throws as above. */
export async function rotateKeys(issuer: string, dropOld: boolean): Promise<z.infer<typeof Rotated>> {
  return Rotated.parse(await post(`${issuer}/dev/rotate${dropOld ? '?drop=old' : ''}`, {}))
}

const TOKEN_LIFE_S = 12 * 3_600

/** Writes `<user>.header` for every ready-made user, for `curl -H @file`: an Authorization header, good for 12 hours, mode 0600. */
export async function writeTokenHeaders(issuer: string, folder: string): Promise<void> {
  await writableFolder(folder)
  const write = async (user: string) => {
    const file = join(folder, `${user}.header`)
    const token = await developmentToken(issuer, { as: user, expiresIn: TOKEN_LIFE_S })
    await replaceFile(file, `Authorization: Bearer ${token}\n`)
  }
  await Promise.all(Object.keys(USERS).map(write))
}

async function post(url: string, body: unknown): Promise<unknown> {
  const request = { method: 'POST', body: JSON.stringify(body), signal: AbortSignal.timeout(5_000) }
  const response = await fetch(url, request).catch((cause: unknown) => {
    throw new IssuerUnreachable(`no development issuer answers at ${url}; start it with \`sallyport up\``, { cause })
  })
  const answer: unknown = await response.json()
  if (response.ok) return answer
  const refused = Refused.safeParse(answer)
  throw new TokenRefused(refused.success ? refused.data.error : `the development issuer answered ${response.status}`)
}
