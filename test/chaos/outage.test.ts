import { expect, test } from 'vitest'
import { proveOutage } from './outage.ts'
import { brokenCounts } from './proof-report.ts'

test('AU-1 PostgreSQL goes away twice under load: clients notice nothing, no row is missing, the backlog is caught up', async () => {
  const said: string[] = []
  const proof = await proveOutage({
    seconds: 4,
    sliceSeconds: 2,
    pairs: 1,
    rate: 100,
    seed: 1,
    keep: false,
    signal: new AbortController().signal,
    say: (line) => said.push(line),
  })
  expect(brokenCounts(proof.comparison), `${said.join('\n')}\n${proof.comparison.examples.join('\n')}`).toEqual([])
  expect(proof.verifyFaults).toEqual([])
  expect(proof.slices.map(({ database, failed }) => [database, failed])).toEqual([
    ['up', 0],
    ['down', 0],
    ['up', 0],
    ['down', 0],
    ['down', 0],
    ['up', 0],
  ])
  expect(proof.comparison).toMatchObject({ reset: 0, refused: 0, unknown: 0 })
}, 180_000)
