import { Command, InvalidArgumentError } from 'commander'
import { talk } from '../../output.ts'
import { type FilterOptions, filterOf, viewerOf, withFilters } from './filters.ts'
import { stdoutLines } from './lines.ts'
import { withReader } from './places.ts'
import { formatOf, type RowFormat, withJson } from './row-format.ts'

interface SearchOptions extends FilterOptions, RowFormat {
  readonly limit: number
}

/** Rows that one search gives at most; more is what `export` is for. */
const MOST = 10_000

/** `sallyport audit search`: the newest requests that fit. */
export function searchCommand(): Command {
  const command = new Command('search')
    .summary('the newest requests that fit, newest first')
    .description(
      'Prints the newest requests that fit all filters, newest first: a line each on a terminal, JSON lines elsewhere.',
    )
    .option('--limit <count>', `at most this many, up to ${MOST}`, count(MOST), 100)
  return withJson(withFilters(command))
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport audit search --from 1h --status 4xx\n  $ sallyport audit search --problem permission-denied --customer acme --json | jq -r .user_id\n  $ sallyport audit search --from 1d --as-customer acme',
    )
    .action(async (options: SearchOptions) => {
      const limit = options.limit
      const rows = await withReader((reader) => reader.search(filterOf(options), viewerOf(options), limit))
      const lines = stdoutLines()
      const format = formatOf(options)
      for (const row of rows) if (!(await lines.write(format(row)))) return
      const more = rows.length === limit ? '; there may be more: --limit, --to, or `sallyport audit export`' : ''
      talk(`${rows.length} ${rows.length === 1 ? 'request' : 'requests'}${more}`)
    })
}

/** A parser of whole numbers from 1 to `most`. */
export function count(most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : 0
    if (number >= 1 && number <= most) return number
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${most}.`)
  }
}
