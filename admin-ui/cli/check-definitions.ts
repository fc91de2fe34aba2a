import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { DefinitionProblem } from '../../policies/definition-problem.ts'
import type { Listener } from '../../policies/listeners.ts'
import { loadDefinitions } from '../../policies/load.ts'
import { CommandFailure, EXIT } from './exit-codes.ts'

/** What checking found; `validate -o json` prints it. */
export interface Report {
  readonly valid: boolean
  readonly folders: readonly string[]
  readonly gateways: number
  readonly routes: number
  readonly problems: readonly DefinitionProblem[]
}

/**
 * Loads the folders (of files: their folders) as xds-server would. Without `bindings` certificates are taken for granted. Throws
 * {@link CommandFailure} for a path that cannot be read.
 */
export async function checkDefinitions(paths: readonly string[], bindings: string | undefined): Promise<Report> {
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
    const certificates = Object.fromEntries(
      (await certificateNames()).map((name) => [name, { certificate: '/dev/null', key: '/dev/null' }]),
    )
    const file = join(folder, 'bindings.json')
    await writeFile(file, JSON.stringify({ certificates }))
    return await use(file)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Names that the listeners give their certificates; none from a broken table, which the load reports with its line. */
async function certificateNames(): Promise<readonly string[]> {
  const table = await import('../../policies/listeners.ts').catch(() => undefined)
  const listeners: readonly Listener[] = Object.values(table?.LISTENERS ?? {})
  return listeners.flatMap(({ tls }) => tls?.certificate ?? [])
}
