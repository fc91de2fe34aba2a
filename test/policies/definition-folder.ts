import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import type { DefinitionProblem } from '../../policies/definition-problem.ts'
import { type LoadOptions, loadDefinitions } from '../../policies/load.ts'

/** What a definition outside the checkout imports. */
export const DEFINE = fileURLToPath(new URL('../../policies/define.ts', import.meta.url))

const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

/** A folder of files by name, removed when the tests of the file have run. */
export async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-definitions-'))
  folders.push(folder)
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)))
  return folder
}

/** A definition that is right, but for the fields and the route put into it; of two fields of one name the later counts. */
export function definition(name: string, fields = '', route = ''): string {
  return `import { all, defineGateway, del, get, http, https, jwt, open, patch, post, put } from '${DEFINE}'

export default defineGateway({
  name: '${name}',
  type: 'CP',
  prefix: '/${name}',
  identity: jwt('waooaw'),
  upstreams: { plant: http('plant:8000'), sandbox: http('plant-sandbox:8001') },
  target: { paid: 'plant', trial: 'sandbox' },
  routes: { first: get('/first'), ${route} },
  ${fields}
})
`
}

/** The problems of a folder's definitions, by file name; fails when there are none. */
export async function problemsOf(
  files: Readonly<Record<string, string>>,
  options?: LoadOptions,
): Promise<Map<string, DefinitionProblem[]>> {
  const loaded = await loadDefinitions(await folderOf(files), options)
  if (loaded.ok) throw new Error('the definitions load without a problem')
  return Map.groupBy(loaded.problems, ({ file }) => file.replace(/^.*\//, ''))
}

/** The text that a problem points at: from its column to the end of its line. */
export function textAt(source: string, { line, column = 1 }: DefinitionProblem): string {
  return (source.split('\n')[line - 1] ?? '').slice(column - 1)
}
