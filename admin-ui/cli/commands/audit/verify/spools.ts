import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { segmentsIn } from '../../../../../ext-authz/audit/spool/segment.ts'
import { verifySpool } from '../../../../../ext-authz/audit/spool/verify.ts'
import { talk } from '../../../output.ts'
import type { Finding } from './finding.ts'

/**
 * What is wrong with the spools in a folder: of each worker's folder in it, or of the folder itself where it holds segments. Returns
 * what was verified, in words. A newest segment that ends within a record is no finding: its worker was killed, or writes just now.
 */
export async function* spoolFindings(folder: string): AsyncGenerator<Finding, string, undefined> {
  let [spools, segments] = [0, 0]
  for (const spool of await spoolsIn(folder)) {
    spools += 1
    segments += (await segmentsIn(spool)).length
    for await (const { kind, segment, offset, sequence, expected, found } of verifySpool(spool)) {
      const place = `${join(spool, segment)} offset ${offset} record ${sequence}`
      const message = `expected ${expected}, found ${found}`
      if (kind === 'torn-tail') talk(`torn tail: ${place}: ${message} (its worker was killed, or writes just now)`)
      else yield { in: 'spool', kind: kind.replaceAll('-', ' '), place, message }
    }
  }
  return `${count(spools, 'spool')} of ${count(segments, 'segment')}`
}

async function spoolsIn(folder: string): Promise<readonly string[]> {
  if ((await segmentsIn(folder)).length > 0) return [folder]
  const names = await readdir(folder).catch(() => [])
  const workers = names.filter((name) => /^\d{1,4}$/.test(name)).sort((a, b) => Number(a) - Number(b))
  return workers.map((name) => join(folder, name))
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`
