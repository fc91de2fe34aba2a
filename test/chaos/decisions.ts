import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Decision } from '../../ext-authz/audit/decision.ts'
import { SpoolReader } from '../../ext-authz/audit/spool/reader.ts'
import type { SeenDecision } from './compare.ts'

const CHUNK = { records: 1_000, bytes: 2 ** 20 } as const

/** Every decision in the spools of all workers below a folder, in the order of each. */
export async function readDecisions(spools: string): Promise<SeenDecision[]> {
  const decisions: SeenDecision[] = []
  for (const worker of await readdir(spools)) {
    const reader = new SpoolReader(join(spools, worker), undefined)
    for (let read = await reader.read(CHUNK); read.length > 0; read = await reader.read(CHUNK)) {
      for (const { event, kind, json } of read) {
        if (kind !== 'decision') continue
        const { request_id: requestId, correlation_id: correlationId } = JSON.parse(json.toString('utf8')) as Decision
        decisions.push({ event, requestId, correlationId })
      }
    }
  }
  return decisions
}
