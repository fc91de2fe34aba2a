import { expect, test } from 'vitest'
import { countsFor } from './faults.ts'
import { prove } from './proof.ts'
import { brokenPromises, proofReport } from './proof-report.ts'
import { startSite } from './site.ts'

const SECONDS = 14
const RATE = 100

test('AU-1 whatever is killed, stopped or cut off under load: every request has its row, once, with the status it got', async () => {
  const said: string[] = []
  const say = (line: string) => said.push(line)
  const site = await startSite({ say })
  try {
    const signal = new AbortController().signal
    const proof = await prove(site, { seconds: SECONDS, rate: RATE, seed: 4, faults: countsFor(SECONDS), signal, say })
    expect(brokenPromises(proof), `${said.join('\n')}\n${proofReport(proof)}`).toEqual([])
    expect(proof.unexpectedEnds).toEqual([])
    // Otherwise nothing was shown.
    expect(proof.comparison.answered).toBeGreaterThan((SECONDS * RATE) / 2)
    expect(Object.keys(proof.injected.counts)).toHaveLength(9)
  } finally {
    await site.stop()
  }
}, 180_000)
