import ipaddr from 'ipaddr.js'
import { isDnsName, isIp, isLoopback, parseAddress } from '../addresses.ts'
import { type Finding, shown, text } from '../reading.ts'

type Judgement = Omit<Finding, 'path'> | undefined

/** An upstream's `host:port`. */
export const upstreamAddress = text('host:port, such as "plant:8000", "10.0.0.7:80" or "[::1]:80"', (value) => {
  if (parseAddress(value) !== undefined) return undefined
  const bare = value.replace(/^[a-z]+:\/\//, '').replace(/\/.*$/, '')
  const better = parseAddress(bare) === undefined ? {} : { suggestion: `write ${shown(bare)}` }
  return { code: 'SP2021', message: `${shown(value)} is not an address`, ...better }
})

/** An IP literal to listen on. */
export const listenAddress = text('an IP address, such as "0.0.0.0" or "::"', (value) =>
  isIp(value) ? undefined : { code: 'SP2021', message: `${shown(value)} is not an IP address` },
)

/** A host of a gateway: `*`, `*.example.com`, a name or an address; lower case, without port. */
export const host = text('"*", "*.example.com", "api.example.com" or an IPv4 address', (value) => {
  const name = value.replace(/^\*\./, '')
  const known = value === '*' || isDnsName(name) || (value === name && isIp(value) && !value.includes(':'))
  if (known && value === value.toLowerCase()) return undefined
  const better = value
    .toLowerCase()
    .replace(/^[a-z]+:\/\//, '')
    .replace(/[:/].*$/, '')
  const fix = better !== value && isDnsName(better.replace(/^\*\./, '')) ? { suggestion: `write ${shown(better)}` } : {}
  return { code: 'SP2011', message: `${shown(value)} is not a host`, ...fix }
})

/** An entry of an address list (ID-13): network and prefix length, nothing set behind the prefix. */
export const cidr = text('a CIDR, such as "10.0.0.0/8", "192.0.2.7/32" or "2001:db8::/32"', (value): Judgement => {
  const wrong = { code: 'SP2014', message: `${shown(value)} is not a CIDR` } as const
  if (isIp(value)) return { ...wrong, suggestion: `write ${shown(`${value}/${value.includes(':') ? 128 : 32}`)}` }
  const [address = '', bits = '', ...more] = value.split('/')
  if (more.length > 0 || !isIp(address) || !/^\d{1,3}$/.test(bits) || !ipaddr.isValidCIDR(value)) return wrong
  if (/^::ffff:/i.test(address)) {
    return { ...wrong, message: `${shown(value)} is an IPv4 network in IPv6 form`, suggestion: 'write the IPv4 CIDR' }
  }
  const network = networkOf(value)
  if (ipaddr.parse(address).toNormalizedString() === network.toNormalizedString()) return undefined
  return {
    code: 'SP2014',
    message: `${shown(value)} has bits set behind its prefix`,
    suggestion: `write ${shown(`${network}/${bits}`)}`,
  }
})

function networkOf(value: string): ipaddr.IPv4 | ipaddr.IPv6 {
  return value.includes(':') ? ipaddr.IPv6.networkAddressFromCIDR(value) : ipaddr.IPv4.networkAddressFromCIDR(value)
}

/** An origin as browsers send it (RFC 6454 §6.2): scheme, host, and the port where it is not the scheme's own. */
export const origin = text('an exact origin, such as "https://app.example.com" or "http://localhost:3000"', (value) => {
  if (value === '*' || value === 'null' || value.includes('*')) {
    return {
      code: 'SP2016',
      message: `${shown(value)} would let in pages of strangers`,
      suggestion: 'list each origin',
    }
  }
  const url = URL.parse(value)
  if (url !== null && url.origin === value && /^https?:$/.test(url.protocol)) return undefined
  const better = url !== null && /^https?:$/.test(url.protocol) ? { suggestion: `write ${shown(url.origin)}` } : {}
  return { code: 'SP2016', message: `${shown(value)} is not an origin`, ...better }
})

/** A page for people: `https:`, or `http:` on this machine. */
export const pageUrl = text('an https: URL', (value) => {
  const url = URL.parse(value)
  if (url?.protocol === 'https:' || isLocalHttp(url)) return undefined
  return { code: 'SP2022', message: `${shown(value)} is not an https: URL` }
})

/** Where keys come from (ID-4): `https:`, `file:`, or `http:` on this machine; anything else could be forged on the way. */
export const keyUrl = text('an https: or file: URL, or http: on a loopback address', (value): Judgement => {
  const url = URL.parse(value)
  if (url === null) return { code: 'SP2022', message: `${shown(value)} is not a URL` }
  if (url.username !== '' || url.password !== '') {
    return { code: 'SP2022', message: 'a URL of keys carries no user name and no password' }
  }
  if (url.protocol === 'https:' || url.protocol === 'file:' || isLocalHttp(url)) return undefined
  return { code: 'SP4003', message: `keys from ${shown(value)} could be forged on the way` }
})

function isLocalHttp(url: URL | null): boolean {
  return url?.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''))
}
