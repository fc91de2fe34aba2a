import { hash } from 'node:crypto'

/**
 * Half of a row's key: a UUID (version 8, RFC 9562) of the node and the request id, or the id of the log line where Envoy could not read
 * any headers. Every half of one request leads to the same one, in whatever order they come (design.md §7).
 */
export function rowId(node: string, requestId: string): string {
  const hex = hash('sha256', `${node}\0${requestId}`, 'hex')
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** SHA-256 of a half's exact bytes. */
export const halfHash = (bytes: Buffer): Buffer => hash('sha256', bytes, 'buffer')
