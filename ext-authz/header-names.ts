import { AUDITED_HEADERS, CHECKED_HEADERS } from '../envoy/edge.ts'

interface KnownName {
  readonly text: string
  readonly bytes: Uint8Array
}

/** The names that most Checks carry, by their length. */
const BY_LENGTH = byLength([...CHECKED_HEADERS, ...AUDITED_HEADERS])

/** The header name that stands in `bytes` from `start` to `end`: for a known one the one string there is of it, which costs nothing to make. */
export function headerName(bytes: Buffer, start: number, end: number): string {
  for (const name of BY_LENGTH[end - start] ?? []) if (isAt(bytes, start, name.bytes)) return name.text
  return bytes.toString('utf8', start, end)
}

function isAt(bytes: Buffer, start: number, name: Uint8Array): boolean {
  for (let at = 0; at < name.length; at++) if (bytes[start + at] !== name[at]) return false
  return true
}

function byLength(names: readonly string[]): readonly (readonly KnownName[] | undefined)[] {
  const lists: KnownName[][] = []
  for (const text of new Set(names)) {
    const list = lists[text.length] ?? []
    list.push({ text, bytes: Buffer.from(text) })
    lists[text.length] = list
  }
  return lists
}
