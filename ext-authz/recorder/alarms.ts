import type { Log } from '../../runtime/log.ts'
import { alarm } from '../alarm.ts'
import type { JoinEvent } from './join.ts'
import type { RecorderMetrics } from './metrics.ts'

/** What somebody must look into, by what the join says; everything else is only counted. */
const ALARMING: Partial<Record<JoinEvent, string>> = {
  bypass_suspect:
    'an upstream was contacted though no decision let the request pass: see that ext_authz is on for its route',
  lost: 'Envoy names a decision that is in no spool: see whether a spool was damaged or removed',
  early:
    'too many decisions wait for their completion: rows are written open early; see that Envoy’s log is written and read',
}

/** Counts what happens and says aloud, at most once a second for each kind, what must be looked into. */
export class Alarms {
  readonly #metrics: RecorderMetrics
  readonly #say: (kind: string, facts: object, text: string) => void

  constructor(metrics: RecorderMetrics, log: Log, now: () => number) {
    const kinds = new Map<string, ReturnType<typeof alarm<{ readonly text: string }>>>()
    this.#metrics = metrics
    this.#say = (kind, facts, text) => {
      const raise = kinds.get(kind) ?? alarm(now, ({ text, ...said }) => log.error({ kind, ...said }, text))
      kinds.set(kind, raise)
      raise({ ...facts, text })
    }
  }

  /** One request's share in the counters. */
  event(event: JoinEvent, requestId: string | undefined): void {
    this.#metrics.event(event)
    const text = ALARMING[event]
    if (text !== undefined) this.#say(event, { requestId }, text)
  }

  /** Something of the halves is missing or of no use. */
  trouble(kind: string, facts: object, text: string): void {
    this.#metrics.trouble(kind)
    this.#say(kind, facts, text)
  }
}
