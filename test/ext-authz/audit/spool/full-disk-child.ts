import { Spool } from '../../../../ext-authz/audit/spool/spool.ts'
import { createLog } from '../../../../runtime/log.ts'

/**
 * Writes records to the spool in argv[2] until some were refused and it was written again after that; then says on stdout which event
 * ids were told, how many were refused, and the codes of the errors.
 */
const [folder = ''] = process.argv.slice(2)
const spool = await Spool.open({
  folder,
  node: 'pod-1',
  worker: 0,
  boot: 'full',
  mode: 'group',
  segmentBytes: 2 ** 26,
  segmentMs: 60_000,
  log: createLog('child', 'silent'),
  now: Date.now,
})

const events: string[] = []
let refused = 0
let after = 0
const deadline = Date.now() + 10_000
while (after < 100 && Date.now() < deadline) {
  const json = JSON.stringify({ n: events.length, text: 'x'.repeat(1000) })
  const told = await Promise.all(
    Array.from({ length: 5 }, () => new Promise<string | undefined>((resolve) => spool.append(json, resolve))),
  )
  for (const event of told) {
    if (event === undefined) refused += 1
    else events.push(event)
  }
  if (refused > 0 && !told.includes(undefined)) after += told.length
  await new Promise((resolve) => setImmediate(resolve))
}
const codes = [...spool.state().counts.errors.keys()]
await spool.close()
process.stdout.write(JSON.stringify({ events, refused, codes }))
