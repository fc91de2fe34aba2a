/**
 * Envoy's access log, one JSON line per request: the COMPLETION half of an audit row (design.md §7). Keys are ours, values Envoy's
 * operators. A value that Envoy does not have is null (`omit_empty_values` stays off, so that every line has every key).
 * `line` is the only id of a request whose headers Envoy could not read (facts/envoy.md §7).
 */
export const ACCESS_LOG_FORMAT = {
  line: '%UNIQUE_ID%',
  request_id: '%STREAM_ID%',
  at: '%START_TIME(%s.%6f)%',
  correlation_id: '%REQ(X-CORRELATION-ID)%',
  causation_id: '%REQ(X-CAUSATION-ID)%',
  route: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%PATH(NQ:PATH)%',
  authority: '%REQ(:AUTHORITY)%',
  protocol: '%PROTOCOL%',
  client_address: '%REQ(X-ENVOY-EXTERNAL-ADDRESS)%',
  peer_address: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  status: '%RESPONSE_CODE%',
  details: '%RESPONSE_CODE_DETAILS%',
  flags: '%RESPONSE_FLAGS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  total_us: '%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%',
  upstream_us: '%COMMON_DURATION(US_TX_BEG:US_RX_END:us)%',
  upstream_first_byte_us: '%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER%',
  upstream_attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  content_type: '%RESP(CONTENT-TYPE)%',
  retry_after: '%RESP(RETRY-AFTER)%',
  actual_cost: '%RESP(X-ACTUAL-COST)%',
  event: '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:event)%',
  audit: '%DYNAMIC_METADATA(envoy.filters.http.ext_authz:audit)%',
} as const

/** The file that an Envoy writes to now; what it was renamed to says why (see {@link endedLog}). */
export const LIVE_LOG = 'access.log'

/** A log that grew too large; the Envoy that wrote it lives on and has reopened {@link LIVE_LOG}. `epochMs`: when it was renamed. */
export const rotatedLog = (epochMs: number): string => `access.${stamp(epochMs)}.rotated.log`

/** A log whose Envoy has ended: renamed at `epochMs`, before the next Envoy starts, so requests begun before it are all over. */
export const endedLog = (epochMs: number): string => `access.${stamp(epochMs)}.ended.log`

/** A renamed log; names sort by age. Undefined for other files. */
export function oldLog(name: string): { readonly epochMs: number; readonly ended: boolean } | undefined {
  const match = /^access\.(\d{15})\.(rotated|ended)\.log$/.exec(name)
  return match === null ? undefined : { epochMs: Number(match[1]), ended: match[2] === 'ended' }
}

const stamp = (epochMs: number) => String(epochMs).padStart(15, '0')
