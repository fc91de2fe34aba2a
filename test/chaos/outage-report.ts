import { bullets, machine, table } from '../bench/markdown.ts'
import type { OutageProof } from './outage.ts'
import { answers, brokenCounts, countsTable } from './proof-report.ts'
import type { SliceJudgement } from './slices.ts'

/** Memory is shown this often, s. */
const MEMORY_EVERY = 30
/** A backlog must drain at least so many times as fast as requests come in (issue 4). */
const DRAIN_RATIO = 2

/** What the run broke, in words; empty when it kept every promise. */
export function brokenInOutage(proof: OutageProof): string[] {
  const slower = (name: string, { up, down, upApart, kept }: SliceJudgement) =>
    kept
      ? []
      : [`${name} ${ms(down)} with PostgreSQL away, ${ms(up)} with it; two slices with it differ by ${ms(upApart)}`]
  return [
    ...brokenCounts(proof.comparison),
    ...slower('p50', proof.p50),
    ...slower('p99', proof.p99),
    ...(proof.memoryFlat ? [] : ['the recorder’s memory grew after the first minute']),
    ...(ratio(proof) >= DRAIN_RATIO ? [] : [`the backlog drained at ${ratio(proof).toFixed(2)} × the ingest rate`]),
    ...proof.verifyFaults.map((fault) => `verify: ${fault}`),
  ]
}

/** The run as a page of Markdown. */
export function outageReport(proof: OutageProof): string {
  const { plan, drain } = proof
  const broken = brokenInOutage(proof)
  return `${[
    '# Proof: PostgreSQL may be away',
    'Written by `npm run prove:audit -- --outage … --write …`; change the script (test/chaos/), not this page.',
    `\`npm run prove:audit -- --outage ${plan.seconds} --rate ${plan.rate} --seed ${plan.seed}\`\n\n${machine()}`,
    '## Result',
    broken.length === 0 ? 'Every promise was kept.' : `**Promises were broken:**\n\n${bullets(broken)}`,
    '## What clients saw',
    judgements(proof),
    slicesTable(proof),
    '## The backlog',
    `After ${plan.seconds} s without PostgreSQL the rows had caught up in ${drain.seconds.toFixed(1)} s, with the load going on: ` +
      `${drain.rowsPerSecond.toFixed(0)} rows/s, ${ratio(proof).toFixed(1)} × the ${drain.ingestPerSecond.toFixed(0)} requests/s that came in.`,
    memoryTable(proof),
    '## The account',
    countsTable(proof.comparison),
    answers(proof.ledger),
    ...(proof.comparison.examples.length === 0
      ? []
      : [bullets(proof.comparison.examples.map((line) => `\`${line}\``))]),
  ].join('\n\n')}\n`
}

function ratio({ drain }: OutageProof): number {
  return drain.rowsPerSecond / drain.ingestPerSecond
}

function judgements({ p50, p99 }: OutageProof): string {
  return table(
    ['median of slices', 'PostgreSQL up', 'away', 'difference', 'two slices up differ by', ''],
    Object.entries({ p50, p99 }).map(([name, { up, down, upApart, kept }]) => [
      name,
      ms(up),
      ms(down),
      ms(down - up),
      ms(upApart),
      kept ? 'met' : 'not met',
    ]),
  )
}

function slicesTable({ slices }: OutageProof): string {
  return table(
    ['slice', 'PostgreSQL', 'answered', 'failed', 'p50', 'p99'],
    slices.map(({ database, answered, failed, p50, p99 }, index) => [
      String(index + 1),
      database,
      String(answered),
      String(failed),
      ms(p50),
      ms(p99),
    ]),
  )
}

function memoryTable({ memory, memoryFlat }: OutageProof): string {
  const shown = memory.filter(({ second }) => Math.round(second) % MEMORY_EVERY === 0)
  const rows = shown.map(({ second, mb }) => [second.toFixed(0), mb.toFixed(1)])
  const verdict = memoryFlat ? 'flat' : 'not flat'
  return `The recorder's resident memory while PostgreSQL was away (${verdict}: no more than a tenth above the first minute):\n\n${table(['s', 'MB'], rows)}`
}

const ms = (value: number) => `${value.toFixed(2)} ms`
