import ipaddr from 'ipaddr.js'

/** Where an upstream is: a host name or an IP literal without brackets, and a port. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** `host:port`, `10.0.0.1:80` or `[::1]:80`; undefined for any other text. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([^\]]+)\]|([^[\]:]+)):(\d{1,5})$/.exec(text)
  const [, bracketed, plain, digits] = match ?? []
  const port = Number(digits)
  if (!(port >= 1 && port <= 65_535)) return undefined
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : undefined
  return plain !== undefined && (isIPv4(plain) || isDnsName(plain)) ? { host: plain, port } : undefined
}

export function isIp(text: string): boolean {
  return isIPv4(text) || isIPv6(text)
}

/** Whether an address, a name or an IP literal, is this machine's own. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  return isIp(host) && ipaddr.process(host).range() === 'loopback'
}

/** A DNS name (RFC 1035 §2.3.1, with the underscores that container networks use); the last label is not a number. */
export function isDnsName(text: string): boolean {
  if (text.length > 253) return false
  const labels = text.split('.')
  return (
    labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)) &&
    !/^\d+$/.test(labels.at(-1) ?? '')
  )
}

function isIPv4(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text)
}

function isIPv6(text: string): boolean {
  return ipaddr.IPv6.isValid(text) && !text.includes('%')
}
