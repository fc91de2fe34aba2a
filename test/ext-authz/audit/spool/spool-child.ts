import { writeSync } from 'node:fs'
import { Spool } from '../../../../ext-authz/audit/spool/spool.ts'
import { createLog } from '../../../../runtime/log.ts'

/** Writes records to the spool in argv[2] under boot argv[3] until it is killed; says each event id once it is told. */
const [folder = '', boot = ''] = process.argv.slice(2)
const spool = await Spool.open({
  folder,
  node: 'pod-1',
  worker: 0,
  boot,
  mode: 'group',
  segmentBytes: 65_536,
  segmentMs: 60_000,
  log: createLog('child', 'silent'),
  now: Date.now,
})

let n = 0
function turn(): void {
  const told = Array.from({ length: 1 + (n % 7) }, () => {
    n += 1
    return new Promise<string | undefined>((resolve) =>
      spool.append(JSON.stringify({ n, text: 'x'.repeat(n % 900) }), resolve),
    )
  })
  void Promise.all(told).then((events) => {
    writeSync(1, events.map((event) => `${event}\n`).join(''))
    setImmediate(turn)
  })
}
turn()
