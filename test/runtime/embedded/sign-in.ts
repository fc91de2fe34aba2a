import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { DEVELOPMENT_CLIENT } from '../../../runtime/embedded/issuer/provider.ts'

const Tokens = z.object({ access_token: z.string(), id_token: z.string() })

/** Walks the authorization-code flow as a browser would: login form, consent form, callback, token endpoint. */
export async function signIn(issuer: string, user: string): Promise<z.infer<typeof Tokens>> {
  const verifier = randomBytes(32).toString('base64url')
  const redirect_uri = 'http://127.0.0.1:1/callback'
  const start = new URLSearchParams({
    client_id: DEVELOPMENT_CLIENT,
    response_type: 'code',
    scope: 'openid email',
    redirect_uri,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const browser = new Browser()
  let at = await browser.go(`${issuer}/auth?${start}`)
  for (let step = 0; step < 12 && !at.url.startsWith(redirect_uri); step++) {
    const prompt = /name="prompt" value="(\w+)"/.exec(at.body)?.[1] ?? ''
    const action = /action="([^"]+)"/.exec(at.body)?.[1] ?? at.url
    at = await browser.go(new URL(action, at.url).href, new URLSearchParams({ prompt, login: user, password: 'any' }))
  }
  const code = new URL(at.url).searchParams.get('code') ?? ''
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    client_id: DEVELOPMENT_CLIENT,
    code,
    redirect_uri,
  })
  body.set('code_verifier', verifier)
  return Tokens.parse(await (await fetch(`${issuer}/token`, { method: 'POST', body })).json())
}

interface Page {
  readonly url: string
  readonly body: string
}

/** Follows redirects within the issuer and keeps cookies; stops at the first address that is not the issuer's. */
class Browser {
  readonly #cookies = new Map<string, string>()

  async go(url: string, form?: URLSearchParams): Promise<Page> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const init: RequestInit = { redirect: 'manual', headers: { cookie } }
    const response = await fetch(url, form === undefined ? init : { ...init, method: 'POST', body: form })
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set) ?? []
      if (name !== undefined && value !== undefined) this.#cookies.set(name, value)
    }
    const location = response.headers.get('location')
    const body = await response.text()
    if (location === null) return { url, body }
    const next = new URL(location, url)
    return next.origin === new URL(url).origin ? this.go(next.href) : { url: next.href, body: '' }
  }
}
