import { isTemplate, segmentsOf } from '../../precedence.ts'
import { ANY_HOST, DEFAULT_LISTENER, type Definition, type EffectiveRoute, placeOf, routesOf } from '../definitions.ts'
import type { Finding } from '../reading.ts'

interface Claim {
  readonly definition: Definition
  readonly route: EffectiveRoute
}

/** Takes a finding about a definition. */
export type ReportIn = (definition: Definition, finding: Finding) => void

/** Reports a gateway's name that an earlier file has, and a route for requests that an earlier route answers. */
export function checkClashes(definitions: readonly Definition[], report: ReportIn): void {
  checkNames(definitions, report)
  const claims = definitions.flatMap((definition) =>
    routesOf(definition.gateway).map((route): Claim => ({ definition, route })),
  )
  for (const rivals of Map.groupBy(claims, keyOf).values()) checkRivals(rivals, report)
}

/** Whether a request can have a host of both lists. */
function hostsOverlap(a: readonly string[], b: readonly string[]): boolean {
  return a.some((left) => b.some((right) => covers(left, right) || covers(right, left)))
}

function checkNames(definitions: readonly Definition[], report: ReportIn): void {
  const first = new Map<string, Definition>()
  for (const definition of definitions) {
    const { name } = definition.gateway
    const other = first.get(name)
    if (other === undefined) first.set(name, definition)
    else {
      const message = `another gateway is called "${name}", at ${placeOf(other, ['name'])}`
      report(definition, { code: 'SP3005', path: ['name'], message, suggestion: 'give one of them another name' })
    }
  }
}

/** Claims with equal keys are for the same method and paths on one listener; hosts still tell them apart. */
function keyOf({ definition, route }: Claim): string {
  const shape = segmentsOf(route.path).map((segment) => (isTemplate(segment) ? '{}' : segment))
  return [definition.gateway.listener ?? DEFAULT_LISTENER, route.own.method, ...shape].join('/')
}

function checkRivals(rivals: readonly Claim[], report: ReportIn): void {
  for (const [index, later] of rivals.entries()) {
    const earlier = rivals
      .slice(0, index)
      .find((other) => hostsOverlap(hostsOf(other.definition), hostsOf(later.definition)))
    if (earlier === undefined) continue
    const place = placeOf(earlier.definition, ['routes', earlier.route.name])
    const method = later.route.own.method === '*' ? 'every method of' : later.route.own.method
    report(later.definition, {
      code: 'SP3006',
      path: ['routes', later.route.name, 'path'],
      message:
        `${method} ${later.route.path} is answered already, by ${earlier.definition.gateway.name} / ` +
        `${earlier.route.name} (${earlier.route.path}) at ${place}`,
      suggestion: 'change the path, the method or the hosts of one of them',
    })
  }
}

function hostsOf({ gateway }: Definition): readonly string[] {
  return gateway.hosts ?? ANY_HOST
}

function covers(pattern: string, host: string): boolean {
  if (pattern === '*' || pattern === host) return true
  return pattern.startsWith('*.') && host.endsWith(pattern.slice(1))
}
