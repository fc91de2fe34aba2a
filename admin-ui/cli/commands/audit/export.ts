import { Command } from 'commander'
import type { AuditView } from '../../../../ext-authz/store/view.ts'
import { talk } from '../../output.ts'
import { Progress } from '../../progress.ts'
import { type FilterOptions, filterOf, viewerOf, withFilters } from './filters.ts'
import { fileLines, type Lines, stdoutLines } from './lines.ts'
import { withReader } from './places.ts'
import { rowJson } from './row-text.ts'

interface ExportOptions extends FilterOptions {
  readonly output?: string
}

/** `sallyport audit export`: every request that fits, as JSON lines, from one snapshot. */
export function exportCommand(): Command {
  const command = new Command('export')
    .summary('every request that fits, as JSON lines')
    .description(
      'Writes every request that fits all filters, oldest first, one JSON object a line: all columns by name, times with µs, bytes as\nbase64. All of them are from one snapshot of the database, however long it takes. A file appears when it is whole.',
    )
    .option('--output <file>', 'write to this file instead of stdout')
  return withFilters(command)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport audit export --from 2026-03-01 --to 2026-04-01 --output march.jsonl\n  $ sallyport audit export --customer acme --as-customer acme | gzip > acme.jsonl.gz',
    )
    .action((options: ExportOptions) =>
      withReader((reader) =>
        reader.snapshot(viewerOf(options), async (view) => {
          const lines = options.output === undefined ? stdoutLines() : await fileLines(options.output)
          await exportRows(view, options, lines).catch(async (error: unknown) => {
            await lines.abandon()
            throw error
          })
        }),
      ),
    )
}

async function exportRows(view: AuditView, options: ExportOptions, lines: Lines): Promise<void> {
  const filter = filterOf(options)
  // Counting costs a pass of its own, which only somebody who watches wants.
  const progress = new Progress('rows', process.stderr.isTTY ? await view.count(filter) : undefined)
  for await (const row of view.stream({ ...filter, order: 'oldest' })) {
    if (!(await lines.write(rowJson(row)))) return
    progress.step()
  }
  await lines.finish()
  const where = options.output === undefined ? '' : ` to ${options.output}`
  talk(`${progress.end()}${where}`)
}
