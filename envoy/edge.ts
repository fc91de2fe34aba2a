/**
 * What the edge does by default, as data. Sizes in bytes, times in milliseconds unless the name says otherwise. Sources:
 * Envoy's guide to running at the edge, and trials with Envoy 1.40.
 */
export const EDGE = {
  /** Bytes a connection may hold before Envoy stops reading; bounds memory for slow peers, and the body that a retry can repeat. */
  connectionBufferBytes: 32_768,
  /** All header fields of a request together, KiB; more is 431. */
  maxRequestHeadersKiB: 60,
  /** Header fields of a request; more is 431. */
  maxHeaders: 100,
  /** Request body; more is 413 (RT-5). */
  maxBodyBytes: 10_485_760,
  /** A connection without a request is closed after this. */
  connectionIdleMs: 3_600_000,
  /** A request or answer on which no byte moves ends after this. */
  streamIdleMs: 300_000,
  /** First byte to last byte of a request; slower is 408. */
  requestMs: 300_000,
  /** First byte to the end of the header fields; slower is 408. */
  requestHeadersMs: 10_000,
  http2: {
    /** Requests of one connection at a time; Envoy's own default is 1,024. */
    maxConcurrentStreams: 100,
    /** Flow-control window of a stream, so that one upload cannot fill the memory of the edge. */
    streamWindowBytes: 65_536,
    /** Flow-control window of a connection. */
    connectionWindowBytes: 1_048_576,
  },
  /** One Check, its retries included; past it the answer is 503 (AZ-7). */
  authorizationMs: 2_000,
  /**
   * One try of a Check; the bootstrap says when another follows. A worker that starts on a busy machine of two cores was seen to hold
   * up the other for over 300 ms.
   */
  authorizationTryMs: 500,
} as const

/** The cluster of Envoy's bootstrap that reaches our workers; its sockets are pod-local, so no snapshot carries it. */
export const EXT_AUTHZ_CLUSTER = 'ext-authz'

/** What a client's `X-Correlation-ID` or `X-Request-ID` may look like to be kept (RT-8); RE2 and JavaScript read it alike. */
export const ID_PATTERN = '^[A-Za-z0-9._-]{1,128}$'

/** The header by which ext-authz names the target of a split route (AZ-4); never a client's, never seen by an upstream. */
export const TARGET_HEADER = 'x-sallyport-target'

/** Names that only the gateway may set towards an upstream (ID-7, AZ-3, AZ-4); a client's copy is removed before anything reads it. */
export const IDENTITY_HEADERS = [
  'x-user-id',
  'x-customer-id',
  'x-user-email',
  'x-user-roles',
  'x-trial-mode',
  'x-target-backend',
] as const

/** Beginnings of such names, and of names that Envoy itself obeys. */
export const IDENTITY_PREFIXES = ['x-gateway-', 'x-sallyport-', 'x-rbac-', 'x-envoy-'] as const

/** By these a client could make an upstream see another method or path than the one that was authorized (facts/threats.md 1a). */
export const OVERRIDE_HEADERS = [
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-url',
  'x-rewrite-url',
] as const

/** By these a client could say who it is, where it comes from or which address it asked for; upstreams and frameworks believe them. */
export const ORIGIN_HEADERS = [
  'forwarded',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-forwarded-uri',
  'x-forwarded-prefix',
  'x-forwarded-path',
  'x-forwarded-method',
  'x-forwarded-server',
  'x-forwarded-scheme',
  'x-forwarded-ssl',
  'x-forwarded-user',
  'x-forwarded-email',
  'x-forwarded-groups',
  'x-forwarded-client-cert',
  'x-scheme',
  'x-url-scheme',
  'x-host',
  'x-original-host',
  'x-real-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'client-ip',
  'x-remote-addr',
  'x-remote-user',
  'remote-user',
] as const

/**
 * Beginnings of names by which authenticating proxies and clouds tell an upstream who calls and what it asked for. Behind us there
 * is none of them; an upstream that was once behind one still believes them.
 */
export const ORIGIN_PREFIXES = [
  'x-original-',
  'x-auth-request-',
  'x-auth-user',
  'x-authenticated-',
  'x-webauth-',
  'x-ssl-',
  'ssl-client-',
  'x-client-cert',
  'x-amzn-oidc-',
  'x-ms-client-principal',
  'x-goog-authenticated-user-',
  'x-goog-iap-',
  'cf-access-',
] as const

/** The beginning of all that proxies tell about the client; with proxies of our own in front, those of {@link ORIGIN_HEADERS} go. */
export const FORWARDED_PREFIX = 'x-forwarded'

/**
 * Names with other characters than letters, digits and hyphens, as a full match in RE2; `:` starts Envoy's own. Where headers become
 * variables, `x.user.id` and `x~user~id` may become what `x-user-id` becomes.
 */
export const ODD_NAME_PATTERN = '[a-z0-9-]*[^:a-z0-9-].*'

/**
 * Credentials of the caller; an upstream gets them only where its definition says `forwardCredentials`, a sandbox never (design.md
 * §3). `proxy-authorization` is for the next proxy (RFC 9110 §11.7.2), and none is behind us.
 */
export const CREDENTIAL_HEADERS = ['authorization', 'cookie', 'x-api-key', 'proxy-authorization'] as const

/** Request headers a Check carries. What is not listed ext-authz never sees, so a big cookie costs nothing. */
export const CHECKED_HEADERS = [
  ':authority',
  'host',
  'authorization',
  'x-api-key',
  'content-type',
  'content-length',
  'transfer-encoding',
  'x-request-id',
  'x-correlation-id',
  'x-causation-id',
  'x-envoy-external-address',
  'user-agent',
  'origin',
  'prefer',
] as const

/**
 * Request headers that every decision record shows (AU-6); a Check must carry them. Credentials among {@link CHECKED_HEADERS} are
 * shown as present only. The ids and the client's address have members of their own in a record.
 */
export const AUDITED_HEADERS = [
  'user-agent',
  'content-type',
  'content-length',
  'transfer-encoding',
  'accept',
  'accept-language',
  'origin',
  'referer',
  'prefer',
  'x-forwarded-proto',
] as const

/**
 * Response headers of an upstream that do not pass: they are the gateway's own words (AZ-3, AZ-4, RT-8), or grant other origins
 * what the definition did not (RT-4).
 */
export const GATEWAY_RESPONSE_HEADERS = [
  'x-rbac-user-id',
  'x-rbac-roles',
  'x-rbac-role-level',
  'x-target-backend',
  'x-correlation-id',
  'x-causation-id',
  'x-request-id',
  'strict-transport-security',
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-allow-private-network',
  'access-control-expose-headers',
  'access-control-max-age',
] as const

/** Response headers that tell an attacker what runs behind the gateway (RT-6). */
export const TELLING_RESPONSE_HEADERS = [
  'server',
  'x-powered-by',
  'x-aspnet-version',
  'x-aspnetmvc-version',
  'via',
] as const

/** Security headers that every answer carries, whatever the upstream said (RT-6). */
export const FIXED_SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  // 0 switches the old filter off: as `1` it opened holes of its own (OWASP secure headers project).
  'x-xss-protection': '0',
} as const

/** Security headers for every answer that has none of its own: a page of an upstream knows better what it needs (RT-6). */
export const DEFAULT_SECURITY_HEADERS = {
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
} as const

/** Told only over TLS, where a browser heeds it (RFC 6797 §7.2): two years. */
export const HSTS = 'max-age=63072000; includeSubDomains'

/** TLS 1.2 suites: forward secrecy and authenticated encryption only (RFC 9325 §4.2). TLS 1.3 has no others. */
export const TLS12_CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
] as const

/** What every upstream gets; sizes and times as in {@link EDGE}. */
export const UPSTREAM = {
  /** Circuit breaker: connections, queued requests, requests and retries under way at a time. */
  maxConnections: 1_024,
  maxPendingRequests: 1_024,
  maxRequests: 4_096,
  /** Retries under way, as a percentage of requests under way, with a floor for quiet upstreams. */
  retryBudgetPercent: 20,
  minRetryConcurrency: 10,
  /** Outlier detection: a host that fails this often in a row is left out for a while. */
  consecutiveFailures: 5,
  ejectionMs: 10_000,
  /** Never more than this share of the hosts; the rest serves whatever its answers. */
  maxEjectionPercent: 50,
  /** Idle pooled connections are closed after this: before the 5 s at which Node and Uvicorn close, for that race ends in a reset. */
  idleMs: 4_000,
  /** A name is looked up again after this, unless its own time to live says sooner or later. */
  dnsRefreshMs: 5_000,
  /** Back-off before a request is sent to an upstream again. */
  retryBackOff: { baseMs: 25, maxMs: 250 },
  /** How often a retry may draw a host that it already tried. */
  hostSelectionAttempts: 5,
} as const
