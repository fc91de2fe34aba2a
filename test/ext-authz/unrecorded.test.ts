import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RoutePolicy } from '../../policies/policy.ts'
import { checkRequest, routePolicy } from '../support/check-request.ts'
import { type Asked, asked, benchOfTest } from '../support/recorded.ts'
import { TokenIssuer } from '../support/token-issuer.ts'
import { until } from '../support/until.ts'

let issuer: TokenIssuer
beforeAll(async () => {
  issuer = await TokenIssuer.open()
})
afterAll(() => issuer.close())

const secured = (overrides: Partial<RoutePolicy> = {}) =>
  routePolicy({ identity: { kind: 'jwt', issuers: [issuer.policy()] }, ...overrides })

test('AU-1 no answer leaves before its decision is written', async () => {
  const held: (() => void)[] = []
  const on = benchOfTest({
    between: (spool) => ({
      append: (json, written) => spool.append(json, (event) => held.push(() => written(event))),
    }),
  })
  let answered = false
  const answer = on.ask(checkRequest({ policy: routePolicy() })).finally(() => {
    answered = true
  })
  await expect.poll(() => held.length).toBe(1)
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  expect(answered).toBe(false)
  expect(await on.records()).toHaveLength(1)
  held[0]?.()
  expect((await answer).slug).toBe('pass')
})

/** A spool whose quota is used up. */
const FULL = { quota: { level: () => 'full' as const } }

test.each([
  ['the disk is full', { disk: { full: true } }],
  ['the quota is used up', FULL],
])(
  'AU-1 %s: closed routes answer 503, open ones go on, refusals stay, all marked, counted and alarmed',
  async (_name, broken) => {
    const lines: string[] = []
    const log = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) })
    const on = benchOfTest({ ...broken, log })
    const token = await issuer.sign()
    const ask = (onFailure: 'deny' | 'degrade', headers: Asked['headers'] = [['authorization', `Bearer ${token}`]]) =>
      on.ask(checkRequest({ policy: secured({ audit: { onFailure } }), headers }))
    const closed = await ask('deny')
    expect(closed).toMatchObject({ status: 503, slug: 'service-unavailable', mark: { audit: 'refused' } })
    expect(closed.headers['retry-after']).toBe('1')
    expect(closed.problem['detail']).toBe('The gateway cannot take this request now; try again shortly.')
    expect(await ask('degrade')).toMatchObject({ slug: 'pass', mark: { audit: 'skipped' } })
    expect(await ask('deny', [])).toMatchObject({ status: 401, slug: 'unauthorized', mark: { audit: 'skipped' } })
    const counter = await on.registry.getSingleMetric('ext_authz_unrecorded_total')?.get()
    expect(counter?.values.map(({ labels, value }) => [labels['audit'], value])).toEqual([
      ['skipped', 2],
      ['refused', 1],
    ])
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      expect.stringContaining('ALARM: decisions are not recorded'),
    ])
    expect(await on.records()).toEqual([])
  },
)

test('AU-1 a closed route is back by itself within 5 s of room on the disk, and what was refused has left no record', async () => {
  const disk = { full: true }
  const on = benchOfTest({ disk })
  const policy = routePolicy({ audit: { onFailure: 'deny' } })
  expect((await on.ask(checkRequest({ policy }))).status).toBe(503)
  disk.full = false
  const back = await until(
    'the route to answer',
    async () => {
      const answer = await on.ask(checkRequest({ policy }))
      return answer.slug === 'pass' && answer
    },
    5_000,
  )
  expect((await on.records()).map(({ event }) => event)).toEqual([back.mark.event])
})

test('AU-1 below 95 % of the quota everything is recorded', async () => {
  const { record } = await asked(benchOfTest({ quota: { level: () => 'high' } }), { policy: routePolicy() })
  expect(record.verdict).toBe('pass')
})
