/**
 * Envoy's access log, one JSON line per request: the COMPLETION half of an audit row (design.md §7). Keys are ours, values Envoy's
 * operators; what a client or an upstream may choose is cut (`:N`), so that no line is long. A value that Envoy does not have is null
 * (`omit_empty_values` stays off, so that every line has every key). `authority` is the upstream's name once a request was forwarded;
 * `total_us` is null where the client went away, `duration_ms` never.
 * `line` is the only id of a request whose headers Envoy could not read (facts/envoy.md §7). Names of its files:
 * runtime/access-log-names.ts.
 */
export const ACCESS_LOG_FORMAT = {
  line: '%UNIQUE_ID%',
  request_id: '%REQ(X-REQUEST-ID):128%',
  at: '%START_TIME(%s.%6f)%',
  correlation_id: '%REQ(X-CORRELATION-ID):128%',
  causation_id: '%REQ(X-CAUSATION-ID):128%',
  route: '%ROUTE_NAME%',
  method: '%REQ(:METHOD):32%',
  path: '%PATH(NQ:PATH):8192%',
  authority: '%REQ(:AUTHORITY):255%',
  client_address: '%REQ(X-ENVOY-EXTERNAL-ADDRESS):64%',
  peer_address: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  status: '%RESPONSE_CODE%',
  details: '%RESPONSE_CODE_DETAILS%',
  flags: '%RESPONSE_FLAGS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  total_us: '%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%',
  duration_ms: '%DURATION%',
  upstream_us: '%COMMON_DURATION(US_TX_BEG:US_RX_END:us)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  content_type: '%RESP(CONTENT-TYPE):255%',
  retry_after: '%RESP(RETRY-AFTER):64%',
  actual_cost: '%RESP(X-ACTUAL-COST):64%',
  event: '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:event)%',
  audit: '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:audit)%',
} as const

/**
 * Whether `request_id`, the other ids and `client_address` of a line are Envoy's own words. What Envoy refuses before it has changed
 * the headers (a path without a canonical form, no host, `OPTIONS *`) it logs with what the client wrote there, and that may be the id
 * of another request, still under way, whose row it would then complete. Such a request has no route yet (tried with 1.40); its id is `line`.
 */
export function hasOwnIds(line: { readonly route?: unknown; readonly details?: unknown }): boolean {
  return typeof line.route === 'string' || line.details === 'route_not_found'
}
