import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { verifySpool } from '../../ext-authz/audit/spool/verify.ts'

const SALLYPORT = join(import.meta.dirname, '../../bin/sallyport')
/** Verification of a few hundred thousand rows takes seconds; longer than this it has failed, ms. */
const VERIFY_WITHIN_MS = 300_000

/** Where the audit of a site is. */
export interface AuditPlaces {
  readonly state: string
  /** Every segment that ever was, a folder per worker. */
  readonly witness: string
  readonly readerUrl: string
}

/** Chains of all segments that ever were, and `sallyport audit verify` over rows, roots and what is left of the spools. */
export async function verifyAudit({ state, witness, readerUrl }: AuditPlaces): Promise<string[]> {
  const faults: string[] = []
  for (const worker of await readdir(witness)) {
    for await (const fault of verifySpool(join(witness, worker)))
      faults.push(`spool ${worker}: ${JSON.stringify(fault)}`)
  }
  return [...faults, ...(await commandFaults(state, readerUrl))]
}

async function commandFaults(state: string, readerUrl: string): Promise<string[]> {
  const args = ['--disable-warning=ExperimentalWarning', SALLYPORT, 'audit', 'verify', '--json']
  const env = { PATH: process.env['PATH'] ?? '', SALLYPORT_STATE: state, SALLYPORT_READER_URL: readerUrl }
  const options = { env, timeout: VERIFY_WITHIN_MS, maxBuffer: 2 ** 24 }
  try {
    await promisify(execFile)(process.execPath, args, options)
    return []
  } catch (error) {
    const said =
      error instanceof Error && 'stdout' in error && 'stderr' in error ? `${error.stdout}${error.stderr}` : ''
    return [`sallyport audit verify: ${said.trim() || String(error)}`]
  }
}
