import { spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The checkout. */
export const ROOT = join(import.meta.dirname, '../../..')

/** What a command ended with and said. */
export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the command line as a user does, in the checkout, with nothing but these settings. */
export function sallyport(args: readonly string[], settings: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawnSallyport(args, settings)
    let [out, err] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    child.once('close', (code) => resolve({ code, out, err }))
  })
}

/** Starts one that goes on; whoever starts it ends it. */
export function spawnSallyport(args: readonly string[], settings: Readonly<Record<string, string>> = {}) {
  const env = { PATH: process.env['PATH'] ?? '', HOME: tmpdir(), ...settings }
  const child = spawn(process.execPath, [join(ROOT, 'bin/sallyport'), ...args], { cwd: ROOT, env })
  return child
}
