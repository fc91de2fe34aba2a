import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { keyId, PUBLIC_KEY_FILE, readPublicKey } from '../../../../../ext-authz/audit/signing-key.ts'
import { type DatabaseVerification, verifyDatabase } from '../../../../../ext-authz/audit/verify/database.ts'
import { askRecorder, type RecorderKnowledge } from '../../../../../ext-authz/audit/verify/recorder.ts'
import type { AuditView } from '../../../../../ext-authz/store/view.ts'
import { CommandFailure, EXIT } from '../../../exit-codes.ts'
import { talk } from '../../../output.ts'
import { databaseFinding, type Finding } from './finding.ts'

/** Public keys by key id: those of `files`, else that of this machine's recorder. Throws {@link CommandFailure} where one cannot be read. */
export async function publicKeys(
  files: readonly string[] | undefined,
  recorder: string,
): Promise<ReadonlyMap<string, KeyObject>> {
  const keys = await Promise.all((files ?? [join(recorder, PUBLIC_KEY_FILE)]).map(publicKey))
  return new Map(keys.map((key) => [keyId(key), key]))
}

async function publicKey(file: string): Promise<KeyObject> {
  return readPublicKey(file).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause)
    const next = `give the recorder's ${PUBLIC_KEY_FILE} with --key, or leave the database out with --no-database`
    throw new CommandFailure(EXIT.usage, `no public key to verify batches with: ${why}; ${next}`, { cause })
  })
}

/** What the recorder of this machine knows; nothing, which is said, where its folder cannot be read. */
export async function recorderKnowledge(folder: string): Promise<RecorderKnowledge> {
  return askRecorder(folder).catch((error: unknown) => {
    talk(`the newest batches may be missing without notice: ${error instanceof Error ? error.message : String(error)}`)
    return { heads: [], parked: new Set() }
  })
}

/** What is wrong with the audit in PostgreSQL; returns what was verified, in words. */
export async function* databaseFindings(
  view: AuditView,
  options: DatabaseVerification,
): AsyncGenerator<Finding, string, undefined> {
  const faults = verifyDatabase(view, options)
  for (;;) {
    const { done, value } = await faults.next()
    if (done) return `${value.rows} rows, ${value.batches} batches of ${value.nodes.length} nodes`
    yield databaseFinding(value)
  }
}
