import type { AuditOutcome } from '../store/audit-row.ts'
import type { Completion } from './completion.ts'

/** What became of a request of which there is no decision, by what Envoy says of it. `completed`: it names one, which was lost. */
export function outcomeAlone({ upstreamHost, audit, event }: Completion): AuditOutcome {
  if (event !== undefined) return 'completed'
  if (audit === 'skipped') return 'skipped'
  return upstreamHost === undefined ? 'envoy' : 'bypass_suspect'
}

/** What became of a request whose decision is known: an upstream must not see what was refused, nor what no answer of ours let go. */
export function outcomeTogether(verdict: 'pass' | 'deny', completion: Completion): 'completed' | 'bypass_suspect' {
  const refused = verdict === 'deny' && completion.upstreamHost !== undefined
  return refused || outcomeAlone(completion) === 'bypass_suspect' ? 'bypass_suspect' : 'completed'
}
