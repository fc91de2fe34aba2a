import { loadDefinitions } from '../../../policies/load.ts'
import { DEFAULT_PROBLEM_BASE } from '../../../policies/problems.ts'
import { Secret } from '../../../runtime/secret.ts'
import type { Snapshot } from '../../../xds-server/snapshot.ts'
import { translate } from '../../../xds-server/translate/snapshot.ts'

/** Loads, compiles and translates a folder without bindings: addresses are those that the definitions say. */
export async function snapshotOf(folder: string): Promise<Snapshot> {
  const loaded = await loadDefinitions(folder)
  if (!loaded.ok)
    throw new Error(loaded.problems.map(({ file, line, message }) => `${file}:${line} ${message}`).join('\n'))
  const certificates = new Map(
    loaded.definitions.listeners.flatMap(({ tls }) => (tls ? [[tls.certificate, PAIR]] : [])),
  )
  return translate(loaded.definitions, certificates, {
    problemBase: DEFAULT_PROBLEM_BASE,
    caFile: '/etc/ssl/certs/ca-certificates.crt',
    accessLog: '/dev/null',
  })
}

/** Stands for a pair that was read and checked; only SDS would show it. */
const PAIR = {
  name: 'edge',
  chain: 'the certificate chain',
  key: new Secret('the private key'),
  expiresAt: new Date('2100-01-01T00:00:00Z'),
}
