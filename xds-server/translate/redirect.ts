import type { RouteConfiguration } from '../../protos/gen/envoy/config/route/v3/RouteConfiguration.ts'
import { extAuthz, unchecked } from './filters/ext-authz.ts'

/** The route configuration of a plain listener that only redirects. */
export function redirectRoutesName(listener: string): string {
  return `${listener}-redirect`
}

/** Every request to the same address over TLS: 308, which keeps method and body, with path and query (RT-2). */
export function redirectRoutes(listener: string, tlsPort: number): RouteConfiguration {
  return {
    name: redirectRoutesName(listener),
    virtual_hosts: [
      {
        name: 'redirect',
        domains: ['*'],
        routes: [
          {
            name: 'redirect',
            match: { prefix: '/' },
            redirect: { https_redirect: true, port_redirect: tlsPort, response_code: 'PERMANENT_REDIRECT' },
            typed_per_filter_config: { [extAuthz.name]: unchecked() },
          },
        ],
      },
    ],
  }
}
