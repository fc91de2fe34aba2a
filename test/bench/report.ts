import { machine, table } from './markdown.ts'
import { CONNECTIONS, LATENCY_SECONDS, type Measured, SETTLE_MS, SLICE_SECONDS, WARM_UP_SECONDS } from './rounds.ts'
import { type Spread, spread } from './statistics.ts'
import { keysOf, VARIANTS, type VariantKey } from './variants.ts'

/** What a run measured: per round what each variant did, in the order of its warm-up. */
export interface Run {
  readonly rounds: readonly (readonly Measured[])[]
  readonly seconds: number
  /** What variant P runs; undefined: there is no P. */
  readonly against: string | undefined
}

type Figure = Exclude<keyof Measured, 'key'>

const FIGURES: readonly (readonly [title: string, figure: Figure, digits: number])[] = [
  ['requests/s, 32 connections', 'requestsPerSecond', 0],
  ['Envoy, CPU-µs per request', 'envoyMicros', 1],
  ['authorizer, CPU-µs per request', 'authorizerMicros', 1],
  ['p50, one connection, ms', 'p50', 3],
  ['p99, one connection, ms', 'p99', 3],
  ['Envoy, MB resident after the load', 'envoyMb', 0],
  ['authorizer, MB resident after the load', 'authorizerMb', 0],
]

/** The run as a page of Markdown: what was measured, where, the medians, the targets, every round. */
export function report(run: Run): string {
  return `${[
    '# Benchmarks',
    'Written by `npm run bench -- --write docs/benchmarks.md`; change the script (test/bench/), not this page.',
    about(run),
    '## Medians',
    `Median of ${run.rounds.length} rounds, in parentheses the least and the greatest round.`,
    medians(run),
    '## Compared within each round',
    'Each round gives one ratio or difference, so what slows the whole machine for a while touches both sides.',
    comparisons(run),
    '## Targets',
    targets(run),
    '## Every round',
    raw(run),
  ].join('\n\n')}\n`
}

function about({ seconds, against }: Run): string {
  return `${machine()}

Load, gateway, authorizer and upstream share the cores: figures of one run compare with each other, not with those of another machine.

The variants, each with its own Envoy (one worker thread; the listener, access log, filters and route that the product pushes) and its
own authorizer (one process); all are up, one at a time has load.

- **A** bare Envoy: the same without the ext_authz filter.
- **B** an empty service: grpc-js, our protobuf messages, every Check decoded and answered with one constant OK, encoded each time,
  that has the headers of ours.
- **C** ext-authz: one route with RBAC and a split target; every decision is written to the spool before its answer (group mode).
- **D** ext-authz with the memo off: every token is verified on every request.
${against === undefined ? '' : `- **P** ext-authz and edge of another checkout, ${against}.\n`}
RS256 tokens: 10,000 that come again and again (each was seen once before the first round), and in 5 % of the requests one that was never
seen before. A round is, for each variant: ${WARM_UP_SECONDS} s of warm-up, ${seconds} s with ${CONNECTIONS} connections, ${LATENCY_SECONDS} s with one. The last two come in slices
of ${SLICE_SECONDS} s between which the variants take turns, in an order that rotates and reverses. Every answer must be 200. CPU is the time of all
threads from /proc, that of the ${SETTLE_MS} ms after a slice included, as is the opening of its ${CONNECTIONS} connections.`
}

function medians(run: Run): string {
  const rows = FIGURES.map(([title, figure, digits]) => [
    title,
    ...keysOf(run).map((key) => cell(spread(run.rounds.map((round) => of(round, key)[figure])), digits)),
  ])
  return table(['', ...keysOf(run).map((key) => `${key} ${VARIANTS[key]}`)], rows)
}

function comparisons(run: Run): string {
  return table(
    ['', 'median', 'least', 'greatest'],
    [
      ['C/B, CPU of the authorizer', ...three(paired(run, 'C', 'B', ratio('authorizerMicros')), 3)],
      ['D/B, CPU of the authorizer', ...three(paired(run, 'D', 'B', ratio('authorizerMicros')), 3)],
      ['C/B, CPU of Envoy', ...three(paired(run, 'C', 'B', ratio('envoyMicros')), 3)],
      ['C/B, requests/s', ...three(paired(run, 'C', 'B', ratio('requestsPerSecond')), 3)],
      ['C − B, p50, ms', ...three(paired(run, 'C', 'B', difference), 3)],
      ['D − B, p50, ms', ...three(paired(run, 'D', 'B', difference), 3)],
      ...(run.against === undefined ? [] : comparisonsWithBefore(run)),
    ],
  )
}

function comparisonsWithBefore(run: Run): string[][] {
  return [
    ['C/P, CPU of the authorizer', ...three(paired(run, 'C', 'P', ratio('authorizerMicros')), 3)],
    ['C/P, CPU of Envoy', ...three(paired(run, 'C', 'P', ratio('envoyMicros')), 3)],
    ['C/P, requests/s', ...three(paired(run, 'C', 'P', ratio('requestsPerSecond')), 3)],
    ['C − P, p50, ms', ...three(paired(run, 'C', 'P', difference), 3)],
    [
      'C − P, p99, ms',
      ...three(
        paired(run, 'C', 'P', (one, other) => one.p99 - other.p99),
        3,
      ),
    ],
  ]
}

type Target = readonly [what: string, measured: number, most: number, digits: number]

function targets(run: Run): string {
  const { worker, both } = memory(run)
  const judged: readonly Target[] = [
    ['authorizer CPU per decision, C/B', paired(run, 'C', 'B', ratio('authorizerMicros')).median, 1.15, 3],
    ['p50, C − B, ms', paired(run, 'C', 'B', difference).median, 0.1, 3],
    ...(run.against === undefined ? [] : targetsAgainstBefore(run)),
    ['one worker after the load (C), MB', worker, 160, 0],
    ['Envoy and one worker after the load (C), MB', both, 256, 0],
  ]
  return table(
    ['target', 'at most', 'measured', ''],
    judged.map(([what, measured, most, digits]) => [
      what,
      String(most),
      measured.toFixed(digits),
      measured <= most ? 'met' : 'not met',
    ]),
  )
}

/** What the audit may cost (issue 4, "What must be seen" 7). */
function targetsAgainstBefore(run: Run): Target[] {
  return [
    ['authorizer CPU per decision, C/P', paired(run, 'C', 'P', ratio('authorizerMicros')).median, 1.25, 3],
    ['Envoy CPU per request, C/P', paired(run, 'C', 'P', ratio('envoyMicros')).median, 1.1, 3],
    ['p50, C − P, ms', paired(run, 'C', 'P', difference).median, 0.05, 3],
  ]
}

/** The greatest of all rounds: memory that only grows at the end would hide behind a median. */
function memory({ rounds }: Run) {
  const ours = rounds.map((round) => of(round, 'C'))
  return {
    worker: Math.max(...ours.map(({ authorizerMb }) => authorizerMb)),
    both: Math.max(...ours.map(({ authorizerMb, envoyMb }) => authorizerMb + envoyMb)),
  }
}

type Compare = (one: Measured, other: Measured) => number

const ratio =
  (figure: Figure): Compare =>
  (one, other) =>
    one[figure] / other[figure]

const difference: Compare = (one, other) => one.p50 - other.p50

function paired({ rounds }: Run, key: VariantKey, other: VariantKey, compare: Compare): Spread {
  return spread(rounds.map((round) => compare(of(round, key), of(round, other))))
}

function raw({ rounds }: Run): string {
  const rows = rounds.flatMap((round, index) =>
    round.map((measured) => [
      String(index + 1),
      measured.key,
      ...FIGURES.map(([, figure, digits]) => number(measured[figure], digits)),
    ]),
  )
  return table(['round', 'variant', ...FIGURES.map(([title]) => title)], rows)
}

function of(round: readonly Measured[], key: VariantKey): Measured {
  const measured = round.find((one) => one.key === key)
  if (measured === undefined) throw new Error(`a round has no figures of ${key}`)
  return measured
}

function three({ median, min, max }: Spread, digits: number): string[] {
  return [median, min, max].map((value) => number(value, digits))
}

function cell({ median, min, max }: Spread, digits: number): string {
  if (Number.isNaN(median)) return '–'
  return `${number(median, digits)} (${number(min, digits)}–${number(max, digits)})`
}

function number(value: number, digits: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(digits)
}
