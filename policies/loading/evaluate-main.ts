import { writeSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { type EvaluationFault, type EvaluationMessage, MAX_RESULT_BYTES, RESULT_FD } from './evaluation.ts'
import { Forbidden, raiseGuards } from './evaluation-guards.ts'
import { plainCopy } from './plain-data.ts'

/*
 * The throw-away process that runs definitions (design.md §1.7). Arguments: the folder of definitions, the folder
 * policies/, then `<export>=<file>` for each file, in order. Results go to descriptor 3, a message a line. Nothing here
 * may need a package: this process can read the two folders, nothing else.
 */

function say(message: EvaluationMessage): void {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`)
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(RESULT_FD, bytes, sent)
}

function faultOf(error: unknown): EvaluationFault {
  if (!(error instanceof Error)) return { kind: 'throws', detail: `throws ${String(error)}, which is not an Error` }
  const stack = error.stack === undefined ? {} : { stack: error.stack }
  if (error instanceof Forbidden) return { kind: error.kind, detail: error.message, ...stack }
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'ERR_ACCESS_DENIED') return { kind: 'reaches-out', detail: deniedThing(error), ...stack }
  const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'ERR_UNSUPPORTED_DIR_IMPORT'
  if (missing || /does not provide an export named/.test(error.message)) {
    return { kind: 'import-missing', detail: error.message, ...stack }
  }
  return { kind: 'throws', detail: `${error.name}: ${error.message}`, ...stack }
}

function deniedThing(error: Error): string {
  const permission = 'permission' in error ? String(error.permission) : error.message
  const resource = 'resource' in error && error.resource !== '' ? ` of ${String(error.resource)}` : ''
  return `${permission}${resource}`
}

async function evaluate(file: string, exported: string): Promise<void> {
  const module: Record<string, unknown> = await import(pathToFileURL(file).href)
  if (!Object.hasOwn(module, exported)) return fault(file, { kind: 'no-default', detail: exported })
  const { copy, impurities } = plainCopy(module[exported])
  for (const { path, what } of impurities) fault(file, { kind: 'impure', detail: what, path })
  if (impurities.length > 0) return
  if (JSON.stringify(copy).length > MAX_RESULT_BYTES) return fault(file, { kind: 'too-large', detail: '' })
  say({ kind: 'value', file, value: copy })
}

function fault(file: string, problem: EvaluationFault): void {
  say({ kind: 'fault', file, fault: problem })
}

const [folder = '', policies = '', ...orders] = process.argv.slice(2)
const inDefinitions = pathToFileURL(`${folder}/`).href
let current = ''
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error: unknown) => fault(current, faultOf(error)))
}
raiseGuards([folder, policies], (stack) => {
  // A warning of Node's own passes here too; it is nobody's print.
  if (stack.includes(inDefinitions)) fault(current, { kind: 'prints', detail: '', stack })
})

for (const order of orders) {
  const exported = order.slice(0, order.indexOf('='))
  const file = order.slice(exported.length + 1)
  current = file
  say({ kind: 'begin', file })
  await evaluate(file, exported).catch((error: unknown) => fault(file, faultOf(error)))
}
say({ kind: 'end' })
