import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const MAIN = join(import.meta.dirname, '../../xds-server/main.ts')

/** What xds-server says of an access log, instead of starting. */
async function printed(accessLog: string): Promise<string> {
  const env = { PATH: process.env['PATH'] ?? '', SALLYPORT_ACCESS_LOG: accessLog }
  const run = promisify(execFile)(process.execPath, [MAIN, '--print-config'], { env })
  const { stdout } = await run.catch((error: { stderr: string }) => ({ stdout: error.stderr }))
  return stdout
}

test('AU-1 the access log is an absolute path; without one there is none', async () => {
  expect(await printed('/var/log/sallyport/access.log')).toContain(
    'SALLYPORT_ACCESS_LOG=/var/log/sallyport/access.log (environment)',
  )
  expect(await printed('')).toContain('SALLYPORT_ACCESS_LOG=<unset> (default)')
  expect(await printed('access.log')).toContain('SALLYPORT_ACCESS_LOG must be an absolute path')
})
