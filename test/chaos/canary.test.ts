import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { http } from '../support/http.ts'
import { rawHttp1 } from '../support/raw.ts'
import { until } from '../support/until.ts'
import { countRows, dumpRows } from './rows.ts'
import { type Site, startSite } from './site.ts'

/** Unlike anything that could be there by chance; each place has its own, so that a hit names it. */
const CANARIES = {
  header: 'canary-unlisted-header-8f2b',
  cookie: 'canary-cookie-31cc',
  query: 'canary-query-value-77d0',
  queryName: 'canary-query-name-0d5e',
  body: 'canary-body-92ea',
  masked: 'canary-masked-field-5b16',
  brokenBody: 'canary-broken-body-e4f7',
  bearer: 'canary-bearer-token-c0de',
  basic: 'canary-basic-credentials-a1b2',
  apiKey: 'canary-api-key-d3ad',
  proxy: 'canary-proxy-credentials-44aa',
  referer: 'canary-referer-query-6c6c',
  unreadable: 'canary-unreadable-request-1f9d',
} as const

const SECRET_HEADERS = [
  ['X-Unlisted', CANARIES.header],
  ['Cookie', `session=${CANARIES.cookie}`],
  ['X-Api-Key', CANARIES.apiKey],
  ['Proxy-Authorization', `Basic ${CANARIES.proxy}`],
  ['Referer', `https://portal.example/?token=${CANARIES.referer}`],
] as const
const QUERY = `?page=2&secret=${CANARIES.query}&${CANARIES.queryName}=1`
const BODY = JSON.stringify({ note: CANARIES.body })
const MASKED = JSON.stringify({ name: 'a', password: CANARIES.masked, deep: [{ API_KEY: CANARIES.masked }] })

/** Passes, refusals and answers of Envoy alone, all full of secrets; returns what the clients got to read. */
async function sendSecrets(site: Site): Promise<string[]> {
  const port = site.ports.http
  const token = site.tokens.get('paying') ?? ''
  const json = ['Content-Type', 'application/json'] as const
  const send = async (path: string, authorization: string, more: { method?: string; body?: string } = {}) => {
    const headers = [...SECRET_HEADERS, ['Authorization', authorization] as const, json]
    return (await http({ port, path, headers, ...more })).text
  }
  const good = `Bearer ${token}`
  // Answers of an echo upstream are left out: it repeats what it received.
  await send(`/api/cp/v1/agents${QUERY}`, good)
  await send(`/api/cp/v1/tasks${QUERY}`, good, { method: 'POST', body: BODY })
  await send(`/api/v1/agents${QUERY}`, `Bearer ${site.tokens.get('governor')}`, { method: 'POST', body: MASKED })
  await send(`/api/v1/agents${QUERY}`, `Bearer ${site.tokens.get('governor')}`, {
    method: 'POST',
    body: `{"broken": "${CANARIES.brokenBody}`,
  })
  return [
    await send(`/api/cp/v1/agents${QUERY}`, `Bearer ${CANARIES.bearer}`),
    await send(`/api/cp/v1/agents${QUERY}`, `Bearer ${token}${CANARIES.bearer}`),
    await send(`/api/cp/v1/agents${QUERY}`, `Basic ${CANARIES.basic}`),
    await send(`/api/v1/agents/7${QUERY}`, `Bearer ${site.tokens.get('viewer')}`, { method: 'DELETE', body: MASKED }),
    await send(`/no/such/path${QUERY}`, good),
    await send(`/api/cp/v1/agents${QUERY}`, good, { method: 'PUT', body: BODY }),
    (await rawHttp1(port, `GET /health?a=${CANARIES.unreadable} HTTP/1.1\r\nHost: a\r\n${CANARIES.unreadable}\r\n\r\n`))
      .text,
    (await rawHttp1(port, `GET / HTTP/1.1\r\nHost: a\r\nX-Big: ${CANARIES.unreadable.repeat(3_000)}\r\n\r\n`)).text,
  ]
}

const REQUESTS = 12

/** Everything that is kept or told about those requests, by where it is. */
async function traces(site: Site): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const folder of ['audit', 'log']) {
    for (const file of await filesIn(join(site.state, folder))) found.set(file, await readFile(file, 'latin1'))
  }
  const { authzMetrics, recorderMetrics, status, admin } = site.ports
  const pages = [
    ...[authzMetrics, recorderMetrics, status].map((port) => ({ port, path: '/metrics' })),
    { port: admin, path: '/stats' },
  ]
  for (const { port, path } of pages) found.set(`:${port}${path}`, (await http({ port, path })).text)
  found.set('rows', await dumpRows(site.readerUrl))
  return found
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

test('AU-6 secrets in headers, cookies, query, body and token are in no spool, log, row, metric or error page', async () => {
  const debug = { SALLYPORT_LOG_LEVEL: 'debug' }
  const site = await startSite({
    settings: { 'ext-authz': debug, recorder: debug, 'xds-server': debug },
    say: () => undefined,
  })
  try {
    const pages = await sendSecrets(site)
    await until('all rows', async () => (await countRows(site.readerUrl)).all >= REQUESTS, 30_000)
    const all = await traces(site)
    for (const [index, page] of pages.entries()) all.set(`answer ${index}`, page)
    const secrets = [...Object.values(CANARIES), ...[...site.tokens.values()].flatMap(signatureOf)]
    const hits = [...all].flatMap(([where, text]) =>
      secrets.filter((one) => text.includes(one)).map((one) => [where, one]),
    )
    expect(hits).toEqual([])
    // The places were looked at: what may be kept is there.
    for (const where of [
      'rows',
      [...all.keys()].find((file) => file.endsWith('.seg')),
      [...all.keys()].find((file) => file.endsWith('access.log')),
    ]) {
      expect(all.get(where ?? ''), where).toContain('/api/cp/v1/agents')
    }
  } finally {
    await site.stop()
  }
}, 90_000)

/** What makes a token a credential. */
function signatureOf(token: string): string[] {
  return token.split('.').slice(2)
}
