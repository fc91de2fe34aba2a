import type { Finding } from '../verdict.ts'
import type { StageVerdict } from './decision.ts'

/** One stage's verdict as JSON text; `source` is the `file:line` of its rule. */
export function stageText(stage: string, finding: Finding, source?: string): string {
  // Most stages of most routes: cheaper than writing an object.
  if (finding.kind === 'skip' && finding.facts === undefined) return `{"stage":"${stage}","verdict":"skip"}`
  const facts = finding.kind === 'deny' ? finding.why?.facts : finding.facts
  const remedy = finding.kind === 'deny' ? finding.why?.remedy : undefined
  const verdict: StageVerdict = {
    stage,
    verdict: finding.kind,
    ...(facts === undefined ? {} : { facts }),
    ...(source === undefined || finding.kind === 'skip' ? {} : { source }),
    ...(remedy === undefined ? {} : { remedy }),
  }
  return JSON.stringify(verdict)
}
