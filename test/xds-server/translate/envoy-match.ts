import type { Route } from '../../../protos/gen/envoy/config/route/v3/Route.ts'
import type { RouteConfiguration } from '../../../protos/gen/envoy/config/route/v3/RouteConfiguration.ts'

/** A request as far as routes look at it. */
export interface Asked {
  readonly host?: string
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The route Envoy takes: the most specific virtual host, in it the first route that matches (Envoy docs, "HTTP routing"). */
export function envoyTakes(configuration: RouteConfiguration, asked: Asked): Route | undefined {
  const hosts = configuration.virtual_hosts ?? []
  const ranked = hosts
    .flatMap((host) => (host.domains ?? []).map((domain) => ({ domain, host })))
    .filter(({ domain }) => domainMatches(domain, asked.host ?? 'localhost'))
    .sort((a, b) => specificity(b.domain) - specificity(a.domain))
  return ranked[0]?.host.routes?.find((route) => routeMatches(route, asked))
}

function domainMatches(domain: string, host: string): boolean {
  return domain === '*' || domain === host || (domain.startsWith('*.') && host.endsWith(domain.slice(1)))
}

function specificity(domain: string): number {
  if (domain === '*') return 0
  return domain.startsWith('*') ? domain.length : 1_000
}

function routeMatches({ match }: Route, asked: Asked): boolean {
  const headers: Readonly<Record<string, string>> = { ...asked.headers, ':method': asked.method }
  const pathFits =
    match?.prefix !== undefined
      ? asked.path.startsWith(match.prefix)
      : match?.path !== undefined
        ? asked.path === match.path
        : match?.path_separated_prefix !== undefined
          ? asked.path === match.path_separated_prefix || asked.path.startsWith(`${match.path_separated_prefix}/`)
          : fits(match?.safe_regex?.regex, asked.path)
  return (
    pathFits &&
    (match?.headers ?? []).every(({ name, string_match, present_match }) => {
      const value = headers[name ?? '']
      if (value === undefined) return false
      if (present_match === true) return true
      return string_match?.exact !== undefined
        ? value === string_match.exact
        : fits(string_match?.safe_regex?.regex, value)
    })
  )
}

/** Envoy matches the whole text. */
function fits(regex: string | undefined, text: string): boolean {
  return regex !== undefined && new RegExp(`^(?:${regex})$`).test(text)
}
