import type { Audit, AuditedBody } from '../../define.ts'
import { type Finding, list, object, oneOf, optional, type Reader, required, shown, text, whole } from '../reading.ts'
import { headerName, isOwnHeader } from './headers.ts'

type Judgement = Omit<Finding, 'path'> | undefined

const MOST_NAMES = 32
/** Held in Envoy's memory, sent with the Check and parsed by the worker for every request of the route. */
const MOST_BODY_BYTES = 65_536

/** Whole names, and ends of names, of what lets whoever reads it act as the caller. */
const CREDENTIAL =
  /(?:^(?:cookie|set-cookie|code|pin|otp)|auth|authorization|token|secret|password|passwd|pwd|api[-_.]?key|session|session[-_.]?id|credentials?|jwt|signature)\]?$/i

const auditedHeader: Reader<string> = (value, path, report) => {
  const name = headerName(value, path, report)
  if (name === undefined) return undefined
  const finding = credential(name) ?? (isOwnHeader(name) ? ownHeader(name) : undefined)
  return finding === undefined ? name : report({ ...finding, path })
}

const parameter = text('a query parameter as it is after decoding, such as "page" or "filter[state]"', (value) =>
  /^[!-~]{1,128}$/.test(value)
    ? credential(value)
    : { code: 'SP2023', message: `${shown(value)} is not 1 to 128 characters of visible ASCII` },
)

const member = text('the name of a JSON member, such as "iban"', (value): Judgement => {
  if (/^[^\p{Cc}\p{Cs}]{1,128}$/u.test(value)) return undefined
  return { code: 'SP2023', message: `${shown(value)} is not 1 to 128 characters without control characters` }
})

const bodyFields = object<AuditedBody>({
  maxBytes: required(whole(1, MOST_BODY_BYTES)),
  mask: optional(upTo(member)),
})

const body: Reader<AuditedBody | false> = (value, path, report) =>
  value === false ? false : bodyFields(value, path, report)

/** The `audit` of a gateway or a route (AU-6). */
export const audit = object<Audit>({
  onFailure: optional(oneOf(['deny', 'degrade'])),
  query: optional(upTo(parameter)),
  headers: optional(upTo(auditedHeader)),
  body: optional(body),
})

/** Lists that may be empty, which takes back what the gateway says, and are never long. */
function upTo(read: Reader<string>): Reader<readonly string[]> {
  const some = list(read)
  return (value, path, report) => {
    if (!Array.isArray(value) || value.length === 0) return Array.isArray(value) ? [] : some(value, path, report)
    if (value.length <= MOST_NAMES) return some(value, path, report)
    const message = `the list has ${value.length} names`
    return report({ code: 'SP2025', path, message, expected: `at most ${MOST_NAMES} names` })
  }
}

function credential(name: string): Judgement {
  if (!CREDENTIAL.test(name)) return undefined
  return {
    code: 'SP2024',
    message: `${shown(name)} holds a credential by its name`,
    expected: 'a name whose values any reader of the audit may see',
    suggestion: 'remove it; whether a credential was sent is recorded anyway',
  }
}

function ownHeader(name: string): Judgement {
  return {
    code: 'SP2023',
    message: `${name} belongs to the gateway: what a client sends under that name is not kept`,
    expected: 'a header that clients send',
    suggestion: 'remove it; ids, addresses and the caller are recorded anyway',
  }
}
