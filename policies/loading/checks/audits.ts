import { DEFAULT_LISTENER, type Definition } from '../definitions.ts'
import type { PropertyPath } from '../plain-data.ts'
import type { GatewayData } from '../schema.ts'
import type { ReportIn } from './clashes.ts'

/** Envoy compares each header of each request with every name that any route of the listener asks for. */
const MOST_HEADERS = 64

/** Reports, for each listener, the first list of audited headers with which its gateways ask for too many different ones. */
export function checkAudits(definitions: readonly Definition[], report: ReportIn): void {
  const byListener = Map.groupBy(definitions, ({ gateway }) => gateway.listener ?? DEFAULT_LISTENER)
  for (const [listener, sharing] of byListener) {
    const lists = sharing.flatMap((definition) =>
      headerLists(definition.gateway).map(([path, names]) => ({ definition, path, names })),
    )
    const asked = new Set<string>()
    const over = lists.find(({ names }) => {
      for (const name of names) asked.add(name)
      return asked.size > MOST_HEADERS
    })
    if (over === undefined) continue
    report(over.definition, {
      code: 'SP3013',
      path: over.path,
      message: `with this list, the routes of the listener "${listener}" audit ${asked.size} different headers`,
      expected: `at most ${MOST_HEADERS}`,
      suggestion: 'audit fewer, or the same ones',
    })
  }
}

function headerLists({ audit, routes }: GatewayData): [PropertyPath, readonly string[]][] {
  const own = Object.entries(routes).map(([name, route]): [PropertyPath, readonly string[]] => [
    ['routes', name, 'audit', 'headers'],
    route.audit?.headers ?? [],
  ])
  return [[['audit', 'headers'], audit?.headers ?? []], ...own]
}
