import { constants } from 'node:fs'
import { open, readdir, realpath, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { DefinitionProblem } from '../definition-problem.ts'

/** Most definitions of one folder, and most bytes of one file. */
const MAX_FILES = 500
const MAX_ENTRIES = 5_000
const MAX_FILE_BYTES = 4 * 1024 * 1024

/** The folder of the language: what definitions import, and the tables they name things of. */
export const POLICIES_FOLDER = join(import.meta.dirname, '..')

/** A file of source, read once. */
export interface SourceText {
  /** Absolute, symbolic links resolved: what stack traces say. */
  readonly path: string
  /** As messages show it. */
  readonly shown: string
  readonly text: string
}

export interface Folder {
  /** Absolute, symbolic links resolved. */
  readonly path: string
  readonly definitions: readonly SourceText[]
  readonly problems: readonly DefinitionProblem[]
}

/**
 * The definitions of a folder in order of name: each `*.ts` that does not start with `_`. The folder may be a link (a
 * mounted volume often is), but nothing in it may lead outside: the evaluating process follows links.
 */
export async function readFolder(folder: string): Promise<Folder> {
  try {
    const path = await realpath(folder)
    if (!(await stat(path)).isDirectory()) return unreadable(folder, 'is not a folder', 'name the folder, not a file')
    if (path.includes('*')) return unreadable(folder, 'has a * in its path', 'rename it: Node would read a pattern')
    return await readEntries(path)
  } catch (error) {
    return unreadable(folder, `cannot be read: ${reason(error)}`, 'check the path and its permissions')
  }
}

async function readEntries(path: string): Promise<Folder> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const shown = shownPath(path)
  if (entries.length > MAX_ENTRIES) return unreadable(shown, `holds more than ${MAX_ENTRIES} files`, 'tidy it up')
  const problems: DefinitionProblem[] = []
  for (const entry of entries) {
    const leak = entry.isSymbolicLink() ? await leaks(join(entry.parentPath, entry.name), path) : undefined
    if (leak !== undefined) problems.push(leak)
  }
  const names = entries
    .filter((entry) => entry.parentPath === path && isDefinition(entry.name) && !entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
  if (names.length === 0) return unreadable(shown, 'holds no definition', 'add a file such as customer.ts')
  if (names.length > MAX_FILES) return unreadable(shown, `holds more than ${MAX_FILES} definitions`, 'join some')
  if (problems.length > 0) return { path, definitions: [], problems }
  const read = await Promise.all(names.map((name) => readSource(join(path, name))))
  return {
    path,
    definitions: read.filter((source) => 'text' in source),
    problems: read.filter((source) => 'code' in source),
  }
}

function isDefinition(name: string): boolean {
  return name.endsWith('.ts') && !name.endsWith('.d.ts') && !/^[._]/.test(name)
}

async function leaks(link: string, root: string): Promise<DefinitionProblem | undefined> {
  const target = await realpath(link).catch(reason)
  if (target.startsWith(`${root}/`)) return undefined
  return {
    code: 'SP1002',
    file: shownPath(link),
    line: 1,
    message: `is a symbolic link that leads outside the folder, or nowhere (${target})`,
    expected: `a file inside ${shownPath(root)}`,
    suggestion: 'copy the file into the folder',
  }
}

/** Reads a file of source; what cannot be read, is not a regular file or is too large, is a problem. */
export async function readSource(file: string): Promise<SourceText | DefinitionProblem> {
  const shown = shownPath(file)
  const refuse = (message: string): DefinitionProblem => ({ code: 'SP1002', file: shown, line: 1, message })
  try {
    const path = await realpath(file)
    // Not blocking: a FIFO named like a definition must not hold up the load.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const about = await handle.stat()
    if (!about.isFile()) return refuse('is not a regular file')
    if (about.size > MAX_FILE_BYTES) return refuse(`is larger than ${MAX_FILE_BYTES} bytes`)
    return { path, shown, text: await handle.readFile('utf8') }
  } catch (error) {
    return refuse(`cannot be read: ${reason(error)}`)
  }
}

/** A path as messages and policies show it: relative to the working directory or the checkout when below one of them. */
export function shownPath(file: string): string {
  for (const root of [process.cwd(), dirname(POLICIES_FOLDER)]) {
    const path = relative(root, file)
    if (path !== '' && !path.startsWith('..') && !path.startsWith('/')) return path
  }
  return file
}

function unreadable(folder: string, message: string, suggestion: string): Folder {
  const problem = {
    code: 'SP1001',
    file: shownPath(folder),
    line: 1,
    message: `the folder ${message}`,
    suggestion,
  } as const
  return { path: folder, definitions: [], problems: [problem] }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
