import { Command } from 'commander'
import type { AuditRow } from '../../../ext-authz/store/audit-row.ts'
import type { AuditView } from '../../../ext-authz/store/view.ts'
import { CommandFailure, EXIT } from '../exit-codes.ts'
import { data, json, talk } from '../output.ts'
import { auditFolders, withReader } from './audit/places.ts'
import { explain } from './why/explanation.ts'
import { rowsNearby } from './why/nearby.ts'
import { explanationText } from './why/text.ts'

/** Requests that one answer explains; a correlation id may be shared by many. */
const MOST = 20

const ID_HINT =
  'answers carry x-request-id and x-correlation-id, problem documents carry correlation_id; rows come a few seconds after their requests'

/** `sallyport why <id>`: every stage of a request with what it read, the rule, and what would have let it pass (OB-8). */
export function whyCommand(): Command {
  return new Command('why')
    .summary('why a request was answered as it was')
    .description(
      'Explains a request: every stage in order with its verdict, the facts it read and the rule’s file and line, the policy version,\nEnvoy’s own part, and for a refusal the nearest change that would have let it pass. Of a correlation id: each of its requests, newest\nfirst. Looks into PostgreSQL, and where the request is not there yet into the spool and the access log of this machine.',
    )
    .argument('<id>', 'request id (x-request-id of the answer) or correlation id')
    .option('--json', 'as JSON', false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport why 7d3f1c9e-2b60-4a37-9a51-0a8f6a7a1b52\n  $ sallyport why my-correlation-id --json | jq ".requests[0].remedy"',
    )
    .action(async (id: string, options: { readonly json: boolean }) => {
      const rows = await rowsOf(id)
      if (rows.length === 0) throw new CommandFailure(EXIT.nothingFound, `no request has the id ${id}: ${ID_HINT}`)
      const requests = rows.map(explain)
      if (options.json) json('sallyport.why/1', { id, requests })
      else data(requests.map(explanationText).join('\n\n'))
      if (rows.length >= MOST) talk(`the newest ${MOST}; more with \`sallyport audit search --correlation ${id}\``)
    })
}

async function rowsOf(id: string): Promise<readonly AuditRow[]> {
  const stored = await withReader((reader) => reader.snapshot({ role: 'admin' }, (view) => search(view, id))).catch(
    (error: unknown) => {
      if (!(error instanceof CommandFailure) || error.exitCode !== EXIT.unreachable) throw error
      talk(error.message)
      return undefined
    },
  )
  if (stored !== undefined && stored.length > 0) return stored
  const { rows, searched } = await rowsNearby(id, auditFolders(), MOST)
  const where = stored === undefined ? '' : 'not in PostgreSQL (yet); '
  if (rows.length > 0) talk(`${where}from the spool and the access log of this machine (${searched})`)
  else talk(`${where}nor in the spool and the access log of this machine (${searched})`)
  return rows
}

async function search(view: AuditView, id: string): Promise<readonly AuditRow[]> {
  const [request, correlation] = [
    await view.search({ request: id }, MOST),
    await view.search({ correlation: id }, MOST),
  ]
  const rows = new Map([...request, ...correlation].map((row) => [row.id, row]))
  return [...rows.values()].toSorted((a, b) => b.timestamp - a.timestamp).slice(0, MOST)
}
