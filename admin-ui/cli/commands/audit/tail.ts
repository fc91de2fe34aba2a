import { setTimeout as pause } from 'node:timers/promises'
import { Command } from 'commander'
import type { AuditRow } from '../../../../ext-authz/store/audit-row.ts'
import { StoreAway } from '../../../../ext-authz/store/errors.ts'
import type { AuditReader } from '../../../../ext-authz/store/reader.ts'
import { talk } from '../../output.ts'
import { type FilterOptions, filterOf, viewerOf, withFilters } from './filters.ts'
import { Follower } from './follower.ts'
import { stdoutLines } from './lines.ts'
import { withReader } from './places.ts'
import { formatOf, type RowFormat, withJson } from './row-format.ts'
import { count } from './search.ts'

interface TailOptions extends FilterOptions, RowFormat {
  readonly follow: boolean
  readonly lines: number
}

const EVERY_MS = 1_000

/** `sallyport audit tail`: the latest requests, oldest first, and those that come. */
export function tailCommand(): Command {
  const command = new Command('tail')
    .summary('the latest requests, and with --follow those that come')
    .description(
      'Prints the latest requests that fit all filters, the latest last, and with --follow each one that comes, until Ctrl-C. A request\nthat was open is printed once more when it has ended. Rows come a few seconds after their requests, in batches.',
    )
    .option('-f, --follow', 'go on with what comes', false)
    .option('-n, --lines <count>', 'how many of those that are there', count(1_000), 20)
  return withJson(withFilters(command))
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport audit tail\n  $ sallyport audit tail -f --status 5xx\n  $ sallyport audit tail -f --json --user u-17 | jq -r .endpoint',
    )
    .action((options: TailOptions) => withReader((reader) => tail(reader, options)))
}

async function tail(reader: AuditReader, options: TailOptions): Promise<void> {
  const filter = filterOf(options)
  const viewer = viewerOf(options)
  const format = formatOf(options)
  const lines = stdoutLines()
  const print = async (rows: readonly AuditRow[]) => {
    for (const row of rows) if (!(await lines.write(format(row)))) return false
    return true
  }
  const follower = new Follower(filter, Date.now() * 1_000)
  const latest = await reader.snapshot(viewer, async (view) => {
    // What is there at this instant is not new later.
    if (options.follow) await follower.look((page, limit) => view.search(page, limit))
    return view.search(filter, options.lines)
  })
  if (!(await print(latest.toReversed())) || !options.follow) return
  for (let away = false, reading = true; reading; ) {
    await pause(EVERY_MS)
    const rows = await follower.look((page, limit) => reader.search(page, viewer, limit)).catch(whenAway)
    if (away !== (rows === undefined))
      talk(rows === undefined ? 'PostgreSQL is away; waiting for it' : 'PostgreSQL is back')
    away = rows === undefined
    reading = await print(rows ?? [])
  }
}

function whenAway(error: unknown): undefined {
  if (!(error instanceof StoreAway)) throw error
}
