import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { WORKER_FLAGS, workerEnvironment } from '../../ext-authz/worker-process.ts'
import { edgeConfig } from './envoy-config.ts'

/** The files of a checkout whose product a variant runs, and what starting it takes. */
export interface Checkout {
  readonly folder: string
  /** What reports call it. */
  readonly name: string
  readonly edgeConfig: typeof edgeConfig
  readonly workerFlags: readonly string[]
  readonly workerEnvironment: typeof workerEnvironment
  /** Settings of its workers that others may not know. */
  readonly settings: Readonly<Record<string, string>>
}

/** No recorder takes away what the spool of the benchmark holds; it may not become full within a run. */
const SPOOL_BYTES = 64 * 2 ** 30

/** This checkout. */
export const OWN: Checkout = {
  folder: join(import.meta.dirname, '../..'),
  name: 'this checkout',
  edgeConfig,
  workerFlags: WORKER_FLAGS,
  workerEnvironment,
  settings: { SALLYPORT_SPOOL_QUOTA: String(SPOOL_BYTES) },
}

/**
 * Another checkout with its dependencies installed (`git worktree add --detach <folder> <commit>`, node_modules linked). Throws when
 * the folder holds none.
 */
export async function otherCheckout(folder: string): Promise<Checkout> {
  const root = resolve(folder)
  for (const needed of ['ext-authz/worker-main.ts', 'test/bench/envoy-config.ts', 'node_modules']) {
    await access(join(root, needed)).catch(() => {
      throw new Error(
        `--against ${folder}: there is no ${needed} in it; give a checkout of Sallyport with node_modules`,
      )
    })
  }
  const config = (await import(urlIn(root, 'test/bench/envoy-config.ts'))) as typeof import('./envoy-config.ts')
  const worker = (await import(
    urlIn(root, 'ext-authz/worker-process.ts')
  )) as typeof import('../../ext-authz/worker-process.ts')
  return {
    folder: root,
    name: await commitOf(root),
    edgeConfig: config.edgeConfig,
    workerFlags: worker.WORKER_FLAGS,
    workerEnvironment: worker.workerEnvironment,
    settings: {},
  }
}

const urlIn = (root: string, file: string) => pathToFileURL(join(root, file)).href

/** Its commit, short, with the subject; the folder's name where git does not know it. */
async function commitOf(root: string): Promise<string> {
  const git = promisify(execFile)('git', ['-C', root, 'log', '-1', '--format=%h "%s"'])
  return git.then(({ stdout }) => stdout.trim()).catch(() => root)
}
