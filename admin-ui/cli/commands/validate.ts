import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Command, Option } from 'commander'
import { type DefinitionProblem, formatProblem } from '../../../policies/definition-problem.ts'
import { LISTENERS, type Listener } from '../../../policies/listeners.ts'
import { loadDefinitions } from '../../../policies/load.ts'
import { CommandFailure, EXIT, type ExitCode } from '../exit-codes.ts'
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
      const report = await checked(paths, options.bindings)
      if (options.output === 'json') json('sallyport.validate/1', report)
      else for (const problem of report.problems) data(`${formatProblem(problem)}\n`)
      talk(
        `${summary(report)} (${((Date.now() - started) / 1000).toFixed(1)} s, offline${options.bindings === undefined ? ', certificates not checked' : ''})`,
      )
      done(report.valid ? EXIT.ok : EXIT.findings)
    })
}

/** What `-o json` prints beside its schema name. */
interface Report {
  readonly valid: boolean
  readonly folders: readonly string[]
  readonly gateways: number
  readonly routes: number
  readonly problems: readonly DefinitionProblem[]
}

async function checked(paths: readonly string[], bindings: string | undefined): Promise<Report> {
  const folders = [...new Set(await Promise.all(paths.map(folderOf)))]
  const results = await withBindings(bindings, (file) =>
    Promise.all(folders.map((folder) => loadDefinitions(folder, { bindings: file }))),
  )
  const gateways = results.flatMap((result) => (result.ok ? result.definitions.gateways : []))
  const problems = results.flatMap((result) => (result.ok ? [] : result.problems))
  const routes = gateways.reduce((sum, gateway) => sum + gateway.routes.length, 0)
  return { valid: problems.length === 0, folders, gateways: gateways.length, routes, problems }
}

async function folderOf(path: string): Promise<string> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new CommandFailure(EXIT.usage, `${path}: cannot be read; name a folder of definitions or a file in one`, {
      cause,
    })
  })
  return info.isDirectory() ? path : dirname(path)
}

/** Without a deployment, its certificates are taken for granted: they are no matter of the definitions. */
async function withBindings<T>(given: string | undefined, use: (file: string) => Promise<T>): Promise<T> {
  if (given !== undefined) return use(given)
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-validate-'))
  try {
    const listeners: readonly Listener[] = Object.values(LISTENERS)
    const names = listeners.flatMap(({ tls }) => tls?.certificate ?? [])
    const certificates = Object.fromEntries(names.map((name) => [name, { certificate: '/dev/null', key: '/dev/null' }]))
    const file = join(folder, 'bindings.json')
    await writeFile(file, JSON.stringify({ certificates }))
    return await use(file)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function summary({ valid, folders, gateways, routes, problems }: Report): string {
  if (valid) return `${folders.join(', ')}: ${gateways} gateways, ${routes} routes, valid`
  return `${folders.join(', ')}: ${problems.length} ${problems.length === 1 ? 'mistake' : 'mistakes'}`
}
