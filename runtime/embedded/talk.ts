import type { PartEvent } from './running-part.ts'

/** The line or lines that tell a person at the terminal what happened to a part; empty when it is of no interest. */
export function talk(event: PartEvent): string {
  const name = event.part.padEnd(NAME_WIDTH)
  switch (event.kind) {
    case 'started':
      return ''
    case 'ready': {
      const again = event.restarts === 0 ? '' : `, again (restart ${event.restarts})`
      return `  ${name} ${event.address}  ready in ${event.ms} ms${again}\n`
    }
    case 'ended': {
      const when = event.nextStartMs === 0 ? 'starting it again' : `starting it again in ${event.nextStartMs} ms`
      return `! ${name} ended (${event.how}); ${when}\n`
    }
    case 'said':
      return `${event.line
        .split('\n')
        .map((line, at) => `${at === 0 ? `> ${name}` : ' '.repeat(NAME_WIDTH + 2)} ${line}\n`)
        .join('')}`
  }
}

const NAME_WIDTH = 13
