import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { countsFor } from './faults.ts'
import { type ProveOptions, readOptions } from './options.ts'
import { proveOutage } from './outage.ts'
import { brokenInOutage, outageReport } from './outage-report.ts'
import { prove } from './proof.ts'
import { brokenPromises, proofReport } from './proof-report.ts'
import { startSite } from './site.ts'

/** Of the outage's slices, s; and of how many pairs, up and away, there are before the long outage. */
const SLICE_SECONDS = 30
const PAIRS = 4

const say = (line: string) => process.stderr.write(`${line}\n`)
const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The second one ends it at once; the guardian of the site ends what runs.
    if (ending.signal.aborted) process.exit(130)
    say(`${signal}: ending the run; once more leaves at once`)
    ending.abort()
  })
}

const options = readOptions(process.argv.slice(2))
try {
  const { page, broken } = await shown(options)
  process.stdout.write(page)
  if (options.write !== undefined) await writeFile(resolve(options.write), page)
  // A run that was ended shows nothing.
  process.exit(broken.length > 0 || ending.signal.aborted ? 1 : 0)
} catch (error) {
  // What an ended run still wanted to do is no news.
  if (!ending.signal.aborted) say(error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.exit(1)
}

async function shown({ seconds, rate, seed, keep, outage }: ProveOptions): Promise<{ page: string; broken: string[] }> {
  const signal = ending.signal
  if (outage !== undefined) {
    const slices = { sliceSeconds: SLICE_SECONDS, pairs: PAIRS }
    const proof = await proveOutage({ seconds: outage, ...slices, rate, seed, keep, signal, say })
    return { page: outageReport(proof), broken: brokenInOutage(proof) }
  }
  const site = await startSite({ keep, say })
  try {
    say(`everything runs; ${rate} requests/s for ${seconds} s, seed ${seed}`)
    const proof = await prove(site, { seconds, rate, seed, faults: countsFor(seconds), signal, say })
    return { page: proofReport(proof), broken: brokenPromises(proof) }
  } finally {
    await site.stop()
  }
}
