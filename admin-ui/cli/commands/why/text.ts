import { printable } from '../../printable.ts'
import type { Explanation, Stage } from './explanation.ts'

/** An explanation for people: what was asked, by whom, each stage in order, what came of it, and what to do. */
export function explanationText(why: Explanation): string {
  const lines = [
    headline(why),
    ...facts(why),
    ...why.stages.flatMap(stageLines),
    ...end(why),
    `  ids       ${ids(why)}`,
  ]
  return lines.map(printable).join('\n')
}

function headline({ request, status, problem, at, node }: Explanation): string {
  const asked =
    request.path === undefined ? 'a request that could not be read' : `${request.method ?? '?'} ${request.path}`
  const answer = [status ?? 'no status', problem].filter((part) => part !== undefined).join(' ')
  return `${asked}  ->  ${answer}   ${at}  ${node}`
}

function facts({ caller, gateway, route, source, policy_version, request }: Explanation): string[] {
  const from = request.client_address === undefined ? '' : ` from ${request.client_address}`
  const who =
    caller === undefined
      ? 'not identified'
      : `${caller.user}${caller.customer === undefined ? '' : ` of ${caller.customer}`}, roles ${list(caller.roles)}`
  const version = policy_version === undefined ? '' : `  policy ${policy_version}`
  const place = gateway === undefined ? (route ?? 'none') : `${gateway}/${route ?? '?'}`
  return [`  caller    ${who}${from}`, `  route     ${place}${source === undefined ? '' : `  ${source}`}${version}`]
}

const VERDICTS = { pass: 'ok', deny: 'REFUSED', skip: '-' } as const

function stageLines({ stage, verdict, facts, source }: Stage, index: number): string[] {
  const read = Object.entries(facts ?? {}).map(([name, value]) => `${name} ${factText(value)}`)
  const told = [VERDICTS[verdict].padEnd(8), read.join('; '), source].filter(
    (part) => part !== undefined && part !== '',
  )
  return [`  ${String(index + 1).padStart(2)} ${stage.padEnd(10)}${told.join('  ')}`.trimEnd()]
}

function end(why: Explanation): string[] {
  const { envoy, outcome, outcome_means, remedy, detail, degraded } = why
  const said = [envoy.means?.replace(/\.$/, ''), ...envoy.flags].filter((part) => part !== undefined)
  const lines: readonly (readonly [name: string, text: string | undefined])[] = [
    // An open request may be with its upstream at this moment.
    ['upstream', outcome === 'open' ? undefined : upstreamText(why)],
    ['envoy', [envoy.details, said.join('; ')].filter((part) => part !== undefined && part !== '').join(': ')],
    ['answer', detail],
    ['degraded', degraded.join(', ')],
    ['outcome', outcome_means === undefined ? undefined : `${outcome}: ${outcome_means}`],
    ['remedy', remedy],
  ]
  return lines.flatMap(([name, text]) => (text === undefined || text === '' ? [] : [`  ${name.padEnd(10)}${text}`]))
}

function upstreamText({ upstream, ms }: Explanation): string {
  const took = ms === undefined ? '' : `, ${ms} ms in all`
  if (upstream === undefined) return `not reached${took}`
  const tries = `${upstream.attempts ?? '?'} ${upstream.attempts === 1 ? 'try' : 'tries'}`
  return `${upstream.host}, ${tries}, ${upstream.ms ?? '?'} ms${took}`
}

function ids({ ids }: Explanation): string {
  return Object.entries(ids)
    .flatMap(([name, id]) => (id === undefined ? [] : [`${name} ${id}`]))
    .join('  ')
}

function factText(value: unknown): string {
  if (Array.isArray(value)) return value.every(isWord) ? list(value) : JSON.stringify(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function isWord(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number'
}

function list(values: readonly unknown[]): string {
  return values.length === 0 ? 'none' : values.join(', ')
}
