/** One mistake in the definitions, with everything that is needed to find and mend it (XD-1). */
export interface DefinitionProblem {
  /** Stable for the rule that was broken: a key of {@link DEFINITION_CODES}. */
  readonly code: DefinitionCode
  /** As a reader would open it: relative to the working directory where the file is below it. */
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** Counted from 1. */
  readonly column?: number
  readonly gateway?: string
  readonly route?: string
  /** Property path inside the route, else inside the gateway or table: `target.trial`, `cors.origins[0]`. */
  readonly field?: string
  /** What is wrong, with the value that was found. */
  readonly message: string
  /** What would have been right. */
  readonly expected?: string
  /** What to write, or to do, instead. */
  readonly suggestion?: string
  /** The lines of source around the place, a mark below it. */
  readonly frame?: string
}

export type DefinitionCode = keyof typeof DEFINITION_CODES

/** Every rule of loading. A code is never given to another rule; a rule that goes leaves its number unused. */
export const DEFINITION_CODES = {
  SP1001: 'The folder of definitions can be read and holds at least one',
  SP1002: 'A file of the folder is a plain file inside it',
  SP1003: 'A definition is correct TypeScript that needs no compilation',
  SP1004: 'An imported file exists and has the imported name',
  SP1005: 'A definition imports only define.ts, tables of policies/ and files next to it',
  SP1006: 'A definition does not throw',
  SP1007: 'A definition has a default export',
  SP1008: 'A definition prints nothing',
  SP1009: 'A definition touches no file, process, environment or network',
  SP1010: 'A definition finishes in time',
  SP1011: 'A definition does not end its process',
  SP1012: 'A definition is of moderate size',
  SP1013: 'A definition is plain JSON data',
  SP2001: 'A field is known',
  SP2002: 'A field that is not optional is said',
  SP2003: 'A value has the type of its field',
  SP2004: 'A value is one of those that its field lists',
  SP2005: 'A number is in range',
  SP2006: 'A list has entries, none of them twice',
  SP2010: 'A name has the form of its kind',
  SP2011: 'A host is a DNS name, a wildcard or an address',
  SP2012: 'A path is made of literals, {names} and a final *',
  SP2013: 'A path leaves /.sallyport/ to the gateway',
  SP2014: 'An address list holds CIDRs',
  SP2015: 'A duration has a unit and is between 1 ms and 1 h',
  SP2016: 'An origin is exact',
  SP2017: 'A header rule sets only a header that is nobody else’s',
  SP2018: 'A header value is visible ASCII without operators',
  SP2019: 'A scope has the form area:right',
  SP2020: 'An open route says why',
  SP2021: 'An upstream address is host:port',
  SP2022: 'A URL is absolute and of an allowed scheme',
  SP2023: 'An audit lists names that clients send',
  SP2024: 'An audit records no credentials',
  SP2025: 'An audit lists at most 32 names of a kind',
  SP3001: 'A target names an upstream of its gateway',
  SP3002: 'An identity names issuers of the table',
  SP3003: 'A gateway names a listener of the table',
  SP3004: 'A route under RBAC asks for a permission of the table',
  SP3005: 'A gateway’s name is its own',
  SP3006: 'No two routes answer the same requests',
  SP3007: 'A sandbox never receives credentials',
  SP3008: 'A redirect to HTTPS has a TLS port to lead to',
  SP3009: 'An open route asks nothing of a caller that it does not know',
  SP3010: 'A stripped prefix is in front of the path',
  SP3011: 'One try takes no longer than the whole request',
  SP3012: 'Listeners do not share a port',
  SP3013: 'The routes of a listener audit at most 64 headers together',
  SP4001: 'The bindings can be read and are JSON',
  SP4002: 'A binding names something that exists',
  SP4003: 'Keys come over HTTPS, from this machine or from a file',
  SP4004: 'A TLS listener has a certificate',
} as const

/**
 * A problem as text for a terminal: `file:line:column`, code and message, the frame, what was expected and the fix.
 * Several lines, no newline at the end.
 */
export function formatProblem(problem: DefinitionProblem): string {
  const { file, line, column, gateway, route, field, code, message, frame, expected, suggestion } = problem
  const where = `${file}:${line}${column === undefined ? '' : `:${column}`}`
  const what = [gateway, route, field].filter((part) => part !== undefined).join(' / ')
  const lines = [`${where}  error ${code}  ${what === '' ? '' : `${what}: `}${message}`]
  if (frame !== undefined) lines.push(frame)
  if (expected !== undefined) lines.push(`  expected: ${expected}`)
  if (suggestion !== undefined) lines.push(`  fix: ${suggestion}`)
  return lines.join('\n')
}

/** The order a reader works in: by file, then from top to bottom. */
export function compareProblems(a: DefinitionProblem, b: DefinitionProblem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1
  return a.line - b.line || (a.column ?? 0) - (b.column ?? 0)
}
