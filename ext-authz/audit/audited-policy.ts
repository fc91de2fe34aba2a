import { hash } from 'node:crypto'
import type { RoutePolicy } from '../../policies/policy.ts'
import { type BodyRule, bodyRule } from './audited-body.ts'
import { type HeaderRules, headerRules } from './redaction.ts'
import { stageText } from './stage-text.ts'

/** Characters of a policy version. */
const VERSION_LENGTH = 12

/** What records of one policy have in common, written once: members of a {@link Decision} as JSON text, each with its comma in front. */
export interface AuditedPolicy {
  /** `gateway` to `source`. */
  readonly names: string
  /** `action` and `resource`; empty where the route does not use RBAC. */
  readonly about: string
  /** The stages that every request under the policy has passed: read and policy. */
  readonly opening: string
  /** The end of the identify stage of who was identified: where the rule stands, and the bracket that closes the stage. */
  readonly identifyEnd: string
  readonly headers: HeaderRules
  /** Names of the parameters that are recorded; undefined: none. */
  readonly query: ReadonlySet<string> | undefined
  /** Undefined: the body is not recorded. */
  readonly body: BodyRule | undefined
}

/** Prepares the records of a policy; `text` is its text as it travels, whose hash is its version. */
export function auditedPolicy(policy: RoutePolicy, text: string): AuditedPolicy {
  const { gateway, type, route, source, sources, rbac, audit, path } = policy
  const version = hash('sha256', text, 'base64url').slice(0, VERSION_LENGTH)
  const passed = stageText('policy', { kind: 'pass', facts: { path } })
  return {
    names: members({ gateway, gateway_type: type, route, policy_version: version, source }),
    about: rbac === undefined ? '' : members({ action: rbac.action, resource: rbac.resource }),
    opening: `${READ_PASSED},${passed}`,
    identifyEnd: `${sources?.identity === undefined ? '' : members({ source: sources.identity })}}`,
    headers: headerRules(audit.headers),
    query: audit.query === undefined || audit.query.length === 0 ? undefined : new Set(audit.query),
    body: audit.body === undefined ? undefined : bodyRule(audit.body),
  }
}

/** Nothing was found in a request that two parsers could understand in two ways. */
export const READ_PASSED: string = stageText('read', { kind: 'pass' })

/** The members of an object as JSON text, each with a comma in front. */
export function members(object: object): string {
  const text = JSON.stringify(object)
  return text === '{}' ? '' : `,${text.slice(1, -1)}`
}
