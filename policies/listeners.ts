/** An address clients reach, shared by every gateway that names it. */
export interface Listener {
  readonly address: string
  readonly port: number
  /** Also listen with TLS; `certificate` names a pair in the deployment's bindings (RT-2). */
  readonly tls?: {
    readonly port: number
    readonly certificate: string
    readonly minimumVersion: 'TLSv1.2' | 'TLSv1.3'
  }
  /** Answer plain HTTP with 308 to the TLS port instead of serving it (RT-2). Needs `tls`. */
  readonly redirectToHttps: boolean
  /** Proxies in front of us whose `X-Forwarded-For` entry is believed; 0: the TCP peer is the client (ID-13). */
  readonly trustedHops: number
}

export type ListenerName = keyof typeof LISTENERS

/** Every listener that gateways may name. */
export const LISTENERS = {
  public: {
    address: '0.0.0.0',
    port: 8080,
    tls: { port: 8443, certificate: 'edge', minimumVersion: 'TLSv1.3' },
    redirectToHttps: false,
    trustedHops: 0,
  },
  internal: { address: '127.0.0.1', port: 8081, redirectToHttps: false, trustedHops: 0 },
} as const satisfies Record<string, Listener>
