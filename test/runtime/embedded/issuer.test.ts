import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import {
  developmentToken,
  IssuerUnreachable,
  rotateKeys,
  TokenRefused,
} from '../../../runtime/embedded/development-tokens.ts'
import { startIssuer } from '../../../runtime/embedded/issuer/issuer.ts'
import { USERS } from '../../../runtime/embedded/issuer/users.ts'
import { signIn } from './sign-in.ts'

async function start(folder: string) {
  const failures: unknown[] = []
  const keyFile = join(folder, 'keys.json')
  const running = await startIssuer({ port: 0, keyFile, fail: (error) => failures.push(error) })
  /** A fresh key set each time, as after a refetch. */
  const verify = (token: string) => jwtVerify(token, createRemoteJWKSet(new URL(`${running.url}/jwks`)))
  return { ...running, keyFile, verify, failures }
}

const folder = mkdtempSync(join(tmpdir(), 'sallyport-issuer-'))
const { url, keyFile, verify, failures, close } = await start(folder)
afterAll(async () => {
  await close()
  rmSync(folder, { recursive: true })
  expect(failures).toEqual([])
})

test.each(Object.keys(USERS))(
  'ID-2 the token of %s verifies against the JWKS and has every required claim',
  async (name) => {
    const { payload, protectedHeader } = await verify(await developmentToken(url, { as: name }))
    expect(protectedHeader).toMatchObject({ alg: 'RS256', typ: 'at+jwt' })
    expect(payload).toMatchObject({
      iss: url,
      sub: name,
      user_id: name,
      email: `${name}@example.test`,
      customer_id: expect.any(String),
      roles: expect.any(Array),
      iat: expect.any(Number),
      jti: expect.any(String),
    })
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(3_600)
  },
)

test('TR-3 trial users have a trial, the expired one an ended one, the others none', async () => {
  const trialOf = async (as: string) => {
    const { trial_mode, trial_expires_at } = decodeJwt(await developmentToken(url, { as }))
    return [trial_mode, trial_expires_at === undefined ? undefined : Date.parse(String(trial_expires_at)) > Date.now()]
  }
  expect(await Promise.all(['paying', 'trial', 'expired-trial'].map(trialOf))).toEqual([
    [false, undefined],
    [true, true],
    [true, false],
  ])
})

test('ID-2 each issuer has its own iss and its own shape of token, all under one JWKS', async () => {
  const as = (name: string) =>
    developmentToken(url, { as: 'viewer', issuer: name })
      .then(verify)
      .then(({ payload }) => payload)
  expect(await as('admin')).toMatchObject({ iss: `${url}/admin`, roles: ['viewer'] })
  expect(await as('waooaw-ai')).toMatchObject({ iss: `${url}/waooaw-ai`, role: 'viewer', aud: 'https://api.waooaw.ai' })
  expect(await as('keycloak')).toMatchObject({
    iss: `${url}/keycloak`,
    aud: 'sallyport',
    realm_access: { roles: ['viewer', 'offline_access', 'uma_authorization'] },
  })
})

test('claims can be set and taken away, and a token can be born expired', async () => {
  const token = await developmentToken(url, {
    as: 'paying',
    claims: { email: null, roles: ['viewer'] },
    expiresIn: -60,
  })
  expect(decodeJwt(token)).toMatchObject({ roles: ['viewer'] })
  expect(decodeJwt(token)).not.toHaveProperty('email')
  await expect(verify(token)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' })
})

test('ID-4 rotation: the new key signs, tokens of the old one verify until it is dropped', async () => {
  const old = await developmentToken(url, { as: 'paying' })
  const { current, published } = await rotateKeys(url, false)
  const fresh = await developmentToken(url, { as: 'paying' })
  expect(published).toHaveLength(2)
  expect((await verify(fresh)).protectedHeader.kid).toBe(current)
  await verify(old)
  expect((await rotateKeys(url, true)).published).toEqual([current])
  await verify(fresh)
  await expect(verify(old)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' })
})

test('keys survive a restart, in a file that only its owner reads', async () => {
  const token = await developmentToken(url, { as: 'paying', issuer: 'admin' })
  const again = await start(folder)
  onTestFinished(again.close)
  await again.verify(token)
  expect(statSync(keyFile).mode & 0o777).toBe(0o600)
})

test.each([
  ['an unknown user', { as: 'tril' }, /there is no user "tril"; there are paying, trial/],
  ['an unknown issuer', { as: 'trial', issuer: 'okta' }, /there is no issuer "okta"; there are waooaw/],
  ['a life of over a day', { as: 'trial', expiresIn: 86_401 }, /expiresIn/],
  ['a field it does not know', { as: 'trial', expires: 1 }, /expires/],
])('a wrong wish is refused: %s', async (_, wish, message) => {
  const error = await developmentToken(url, wish).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(TokenRefused)
  expect(String(error)).toMatch(message)
})

test('what a web page could send is refused: a foreign Host (DNS rebinding), any Origin, GET', async () => {
  const status = async (init: RequestInit) => (await fetch(`${url}/dev/rotate`, init)).status
  expect(await status({ method: 'POST', headers: { origin: url } })).toBe(403)
  expect(await status({ method: 'GET' })).toBe(405)
  const { request } = await import('node:http')
  const foreign = new Promise((resolve) => {
    request(`${url}/dev/rotate`, { method: 'POST', headers: { host: 'evil.example' } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).end()
  })
  expect(await foreign).toBe(403)
})

test('authorization code with PKCE: a login as a ready-made user ends in an access token with the claims of ID-2', async () => {
  const { access_token, id_token } = await signIn(url, 'governor')
  const { payload } = await verify(access_token)
  expect(payload).toMatchObject({
    iss: url,
    user_id: 'governor',
    roles: ['customer_admin'],
    governor_agent_id: 'governor-1',
  })
  expect((await verify(id_token)).payload.sub).toBe('governor')
})

test('nobody at the address is told apart from a refusal', async () => {
  await expect(developmentToken('http://127.0.0.1:1', { as: 'trial' })).rejects.toThrow(IssuerUnreachable)
})
