import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { LIVE_LOG } from '../access-log-names.ts'
import { writableFolder } from './checkout.ts'
import { replaceFile } from './replace-file.ts'

/** Where a gateway pod keeps its two halves of the audit, and its name in every row. */
export interface AuditFolders {
  /** Folder of the workers' decision spools. */
  readonly spool: string
  /** The file that Envoy logs completions to. */
  readonly accessLog: string
  /** The recorder's cursors, prepared batches, dead letters and key. */
  readonly recorder: string
  readonly node: string
}

/** Makes the folders (mode 0700) below `<state>/audit`. `node` overrides the name that is kept there. */
export async function auditFolders(state: string, node: string | undefined): Promise<AuditFolders> {
  const audit = await writableFolder(join(state, 'audit'))
  return {
    spool: await writableFolder(join(audit, 'spool')),
    accessLog: join(await writableFolder(join(audit, 'access')), LIVE_LOG),
    recorder: await writableFolder(join(audit, 'recorder')),
    node: node ?? (await keptName(join(audit, 'node'))),
  }
}

/** A host name may change between two starts (a laptop, a container); what the spool and the cursors say of the node may not. */
async function keptName(file: string): Promise<string> {
  const kept = (await readFile(file, 'utf8').catch(() => '')).trim()
  if (kept !== '') return kept
  const host = hostname()
    .replace(/[^A-Za-z0-9-]/g, '-')
    .slice(0, 54)
  const name = `${host}-${randomBytes(4).toString('hex')}`
  await replaceFile(file, `${name}\n`)
  return name
}
