import { bullets, machine, table } from '../bench/markdown.ts'
import { BROKEN_PROMISES, type Comparison, UNFLUSHED_MS } from './compare.ts'
import type { Injected } from './injector.ts'
import type { Ledger } from './ledger.ts'

/** Everything that a run of the proof has shown. */
export interface Proof {
  readonly seconds: number
  readonly rate: number
  readonly seed: number
  readonly ledger: Ledger
  readonly comparison: Comparison
  readonly injected: Injected
  /** How long after the last request the last row was there, s. */
  readonly settledAfter: number
  /** What `sallyport audit verify` and the check of the spools' chains found; empty when both are clean. */
  readonly verifyFaults: readonly string[]
  /** Ends of processes that nobody asked for. */
  readonly unexpectedEnds: readonly string[]
}

const LINES = {
  requests: 'requests sent',
  answered: 'answered',
  refused: 'refused at connect',
  reset: 'reset before the answer',
  timedOut: 'given up by the client',
  decisions: 'decisions in the spools',
  rows: 'rows',
  missing: 'missing: a decision, or an answer of an upstream, without a row',
  missingEnvoyOnly: 'missing: an answer of Envoy alone without a row',
  duplicates: 'duplicates: rows more than one per request',
  strays: 'strays: rows and decisions that no request explains',
  wrongStatus: 'wrong status: row and answer differ',
  wrongJoin: 'wrong join: row, answer and decision are not of one request',
  unknownWithoutCause: '`unknown` or `open` without a kill of Envoy that explains it',
  bypassSuspect: 'bypass: an upstream answered without a decision',
  unknown: `\`unknown\`: open, or answered less than ${UNFLUSHED_MS} ms before, a kill of Envoy`,
  lostEnvoyOnly: `answers of Envoy alone less than ${UNFLUSHED_MS} ms before it was killed, without a row`,
  skipped: '`skipped`: went on while the spool was full',
} as const satisfies Record<Exclude<keyof Comparison, 'examples'>, string>

const NAMES = Object.keys(LINES) as (keyof typeof LINES)[]
const PROMISED = new Set<keyof Comparison>(BROKEN_PROMISES)

/** What the run broke, in words; empty when it kept every promise. */
export function brokenPromises({ comparison, injected, verifyFaults }: Proof): string[] {
  return [
    ...brokenCounts(comparison),
    ...injected.failed.map((failed) => `a fault could not be made: ${failed}`),
    ...verifyFaults.map((fault) => `verify: ${fault}`),
  ]
}

/** The proof as a page of Markdown. */
export function proofReport(proof: Proof): string {
  const broken = brokenPromises(proof)
  return `${[
    '# Proof: nothing is lost',
    'Written by `npm run prove:audit -- --write docs/proof.md`; change the script (test/chaos/), not this page.',
    about(proof),
    '## Result',
    broken.length === 0 ? 'Every promise was kept.' : `**Promises were broken:**\n\n${bullets(broken)}`,
    countsTable(proof.comparison),
    `The last row was there ${proof.settledAfter.toFixed(1)} s after the last request. ${proof.ledger.heldBack} requests were due and not sent, because too many waited.`,
    '## Faults',
    table(
      ['fault', 'times'],
      Object.entries(proof.injected.counts)
        .toSorted()
        .map(([name, times]) => [name, String(times)]),
    ),
    ...(proof.unexpectedEnds.length === 0
      ? []
      : [`Ended without being killed by the script:\n\n${bullets(proof.unexpectedEnds)}`]),
    '## Answers',
    answers(proof.ledger),
    ...(proof.comparison.examples.length === 0
      ? []
      : ['## Examples', bullets(proof.comparison.examples.map((line) => `\`${line}\``))]),
  ].join('\n\n')}\n`
}

/** Every count with what it may be, as a table. */
export function countsTable(comparison: Comparison): string {
  return table(
    ['', 'count', 'may be'],
    NAMES.map((name) => [LINES[name], String(comparison[name]), PROMISED.has(name) ? '0' : 'any']),
  )
}

/** The counts of a comparison that may not be, in words. */
export function brokenCounts(comparison: Comparison): string[] {
  return BROKEN_PROMISES.filter((name) => comparison[name] > 0).map((name) => `${LINES[name]}: ${comparison[name]}`)
}

function about({ seconds, rate, seed }: Proof): string {
  return `\`npm run prove:audit -- --seconds ${seconds} --rate ${rate} --seed ${seed}\`

${machine()}

A whole Sallyport (Envoy, two ext-authz workers, recorder, PostgreSQL) gets ${rate} requests/s for ${seconds} s from a client that keeps an account of every
request it sent and every answer it got. Meanwhile processes are killed (SIGKILL) and stopped (SIGSTOP, SIGCONT) at moments that the seed determines, and the
recorder's connection to PostgreSQL breaks between COMMIT and its answer. Afterwards the account is held against every decision that any spool ever held and
against the rows of \`gateway_audit_logs\`.`
}

/** How each kind of request ended, as a table. */
export function answers(ledger: Ledger): string {
  const rows = [...ledger.byKind()]
    .toSorted(([one], [other]) => one.localeCompare(other))
    .map(([kind, counts]) => [
      kind,
      Object.entries(counts)
        .map(([what, times]) => `${what} × ${times}`)
        .join(', '),
    ])
  return table(['request', 'how it ended'], rows)
}
