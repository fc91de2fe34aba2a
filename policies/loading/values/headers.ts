import { type Finding, type Reader, shown, table, text } from '../reading.ts'

type Judgement = Omit<Finding, 'path'> | undefined

/** Headers that the gateway itself sets, removes or depends on: a rule for one would forge or break it (ID-7, AZ-3, AZ-4, RT-4, RT-6, RT-8). */
const OWN = [
  /^x-(user|gateway|sallyport|envoy|forwarded|rbac|governor)-/,
  /^x-(customer-id|trial-mode|correlation-id|request-id|causation-id|target-backend)$/,
  /^(x-forwarded|x-real-ip|x-client-ip|true-client-ip|forwarded|host|authorization|cookie)$/,
  /^x-(http-method|http-method-override|method-override|original-url|rewrite-url)$/,
  /^(access-control-.*|strict-transport-security|server|via|x-powered-by)$/,
]

/** Headers of one connection (RFC 9110 §7.6.1) or of the body's framing. */
const HOP_BY_HOP = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const MAX_VALUE = 4_096

/** A header name anywhere a definition lists one: a token of RFC 9110 §5.6.2, in lower case as HTTP/2 sends it. */
export const headerName = text('a header name in lower case, such as "x-team"', (value): Judgement => {
  if (/^[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/.test(value) && value !== '*') return undefined
  const lower = value.toLowerCase()
  const better = /^[a-z][0-9a-z-]*$/.test(lower) ? { suggestion: `write ${shown(lower)}` } : {}
  return { code: 'SP2017', message: `${shown(value)} is not a header name in lower case`, ...better }
})

/** Whether the gateway itself sets, removes or depends on a header of this name. */
export function isOwnHeader(name: string): boolean {
  return OWN.some((own) => own.test(name))
}

const settableName: Reader<string> = (value, path, report) => {
  const name = headerName(value, path, report)
  if (name === undefined) return undefined
  if (isOwnHeader(name)) {
    return report({
      code: 'SP2017',
      path,
      message: `${name} belongs to the gateway`,
      expected: 'a header that neither identity, routing nor tracing uses',
      suggestion: 'choose another name',
    })
  }
  if (!HOP_BY_HOP.has(name)) return name
  return report({ code: 'SP2017', path, message: `${name} belongs to each connection`, suggestion: 'remove the rule' })
}

const headerValue = text('visible ASCII and spaces, without %', (value): Judgement => {
  if (value.includes('%')) {
    return {
      code: 'SP2018',
      message: `${shown(value)} holds %, which starts an operator of Envoy`,
      suggestion: 'remove it',
    }
  }
  if (value.length > MAX_VALUE) return { code: 'SP2018', message: `it is longer than ${MAX_VALUE} characters` }
  if (/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)) return undefined
  return { code: 'SP2018', message: `${shown(value)} is not a header value` }
})

/** Header names with the values they are set to. */
export const headerTable = table(settableName, headerValue)
