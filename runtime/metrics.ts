import { collectDefaultMetrics, Registry } from 'prom-client'

/** The registry of one process, with its own CPU, memory and event-loop metrics; every series carries `process`. */
export function createMetrics(processName: string): Registry {
  const registry = new Registry()
  registry.setDefaultLabels({ process: processName })
  collectDefaultMetrics({ register: registry })
  return registry
}
