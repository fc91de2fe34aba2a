import { type Command, InvalidArgumentError, Option } from 'commander'
import { AUDIT_OUTCOMES, type AuditOutcome } from '../../../../ext-authz/store/audit-row.ts'
import type { AuditFilter, Viewer } from '../../../../ext-authz/store/filter.ts'
import { PROBLEMS } from '../../../../policies/problems.ts'
import { nearestName } from '../../../../runtime/nearest.ts'
import { DETAIL_NAMES } from '../why/envoy-words.ts'
import { instant } from './instant.ts'

/** What the filter options of a command line say, parsed. */
export interface FilterOptions extends Omit<AuditFilter, 'order' | 'after'> {
  readonly asUser?: string
  readonly asCustomer?: string
}

/** Adds the options that choose rows, alike for every command that reads them. */
export function withFilters(command: Command): Command {
  return command
    .option('--from <time>', 'from this time on (2026-03-01T10:00:00Z), or this long ago (15m, 2h, 1d)', time)
    .option('--to <time>', 'before this time', time)
    .option('--user <id>', 'requests of this user')
    .option('--customer <id>', 'requests of this customer')
    .option('--status <code>', 'a status (403) or a class of them (4xx)', status)
    .option('--problem <slug>', 'requests that ended with this problem', problem)
    .option('--route <name>', 'requests of this route')
    .option('--gateway <name>', 'requests of this gateway')
    .option('--correlation <id>', 'requests with this correlation id')
    .option('--request <id>', 'the request with this id (x-request-id of the answer)')
    .option('--node <name>', 'requests that this gateway pod carried')
    .option('--outcome <outcome>', `how it ended: ${AUDIT_OUTCOMES.join(', ')}`, outcome)
    .addOption(new Option('--as-user <id>', 'see only what this user may see').conflicts('asCustomer'))
    .addOption(new Option('--as-customer <id>', 'see only what an administrator of this customer may see'))
}

/** The rows that the options choose. */
export function filterOf(options: FilterOptions): AuditFilter {
  const { from, to, user, customer, status, problem, route, gateway, correlation, request, node, outcome } = options
  return { from, to, user, customer, status, problem, route, gateway, correlation, request, node, outcome }
}

/** On whose behalf they are read: the administrator's unless the options say otherwise (AU-5). */
export function viewerOf({ asUser, asCustomer }: FilterOptions): Viewer {
  if (asUser !== undefined) return { role: 'user', userId: asUser }
  return asCustomer === undefined ? { role: 'admin' } : { role: 'customer_admin', customerId: asCustomer }
}

// commander hands the value before as a second argument.
const time = (text: string) => instant(text)

function status(text: string): { min: number; max: number } {
  const [, hundreds, rest] = /^([0-5])(\d{2}|xx)$/i.exec(text) ?? []
  if (hundreds === undefined || rest === undefined)
    throw new InvalidArgumentError('Expected a status such as 403, or a class such as 4xx.')
  const first = Number(hundreds) * 100
  return /^x/i.test(rest) ? { min: first, max: first + 99 } : { min: Number(text), max: Number(text) }
}

function outcome(text: string): AuditOutcome {
  const known = AUDIT_OUTCOMES.find((one) => one === text)
  if (known !== undefined) return known
  throw new InvalidArgumentError(`${hint(text, AUDIT_OUTCOMES)}Outcomes are ${AUDIT_OUTCOMES.join(', ')}.`)
}

/** Rows hold our slugs, and the name of Envoy's details where it answered by itself. */
function problem(text: string): string {
  const known = [...Object.keys(PROBLEMS), ...DETAIL_NAMES]
  if (known.includes(text) || (nearestName(text, known) === undefined && ENVOY_NAME.test(text))) return text
  throw new InvalidArgumentError(`${hint(text, known)}Problems are listed in docs/problems.md.`)
}

/** What a name of Envoy's looks like that the list lacks: `http1.body_disallowed`. */
const ENVOY_NAME = /^[a-z\d]+(?:[_.][a-z\d]+)+$/

function hint(text: string, known: readonly string[]): string {
  const near = nearestName(text, known)
  return near === undefined ? '' : `Did you mean ${near}? `
}
