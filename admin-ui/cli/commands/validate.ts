import { Command, Option } from 'commander'
import type { Report } from '../check-definitions.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { data, json, talk } from '../output.ts'

interface ValidateOptions {
  readonly output: 'text' | 'json'
  readonly bindings?: string
}

/** `sallyport validate`: are the definitions right? Offline; the same checks that xds-server makes before it publishes. */
export function validateCommand(done: (code: ExitCode) => void): Command {
  return new Command('validate')
    .summary('check gateway definitions without starting anything')
    .description(
      'Checks gateway definitions offline, as xds-server does before it publishes. A file is checked with its whole folder,\nbecause names and paths must be unique across it. Ends with 1 when there is a mistake.',
    )
    .argument('[paths...]', 'folders of definitions, or files in them', ['policies/gateways'])
    .option('--bindings <file>', "a deployment's bindings to check with; without them certificates are not checked")
    .addOption(new Option('-o, --output <format>', 'what stdout gets').choices(['text', 'json']).default('text'))
    .addHelpText(
      'after',
      '\nExamples:\n  $ sallyport validate\n  $ sallyport validate policies/gateways/partner.ts\n  $ sallyport validate -o json | jq -r ".problems[].file"',
    )
    .action(async (paths: readonly string[], options: ValidateOptions) => {
      const started = Date.now()
      // Loaded here only: a mistake in the tables of policies/ must not keep the other commands from running.
      const { checkDefinitions } = await import('../check-definitions.ts')
      const { formatProblem } = await import('../../../policies/definition-problem.ts')
      const report = await checkDefinitions(paths, options.bindings)
      if (options.output === 'json') json('sallyport.validate/1', report)
      else for (const problem of report.problems) data(`${formatProblem(problem)}\n`)
      talk(
        `${summary(report)} (${((Date.now() - started) / 1000).toFixed(1)} s, offline${options.bindings === undefined ? ', certificates not checked' : ''})`,
      )
      done(report.valid ? EXIT.ok : EXIT.findings)
    })
}

function summary({ valid, folders, gateways, routes, problems }: Report): string {
  if (valid) return `${folders.join(', ')}: ${gateways} gateways, ${routes} routes, valid`
  return `${folders.join(', ')}: ${problems.length} ${problems.length === 1 ? 'mistake' : 'mistakes'}`
}
