/**
 * What Envoy's response code details mean (source/common/stream_info, "Response code details" of its documentation), for people. The
 * part before `{` or `(` is looked up; what follows there names the cause in Envoy's words.
 */
const DETAILS: Readonly<Record<string, string>> = {
  via_upstream: 'The answer is the upstream’s own.',
  direct_response: 'The route answers by itself, without an upstream: no path, method or target fits, or it redirects.',
  route_not_found: 'No route of this listener has the path; ext-authz was not asked.',
  route_configuration_not_found: 'The listener has no routes yet: the control plane has not pushed them.',
  cluster_not_found: 'The route names a cluster that this Envoy does not have: see `sallyport status`.',
  no_healthy_upstream: 'No endpoint of the upstream is healthy.',
  cors_response: 'A CORS preflight, answered by Envoy without asking ext-authz.',
  ext_authz_denied: 'ext-authz refused the request; its stages say why.',
  ext_authz_error: 'ext-authz did not answer in time or its answer was lost; the request was refused with 503.',
  ext_authz_invalid: 'Envoy did not accept a header that ext-authz asked for.',
  local_rate_limited: 'A flood guard of the listener refused the request before it was looked at.',
  request_rate_limited: 'The rate limit service refused the request.',
  rbac_access_denied_matched_policy: 'An RBAC filter of Envoy refused the request.',
  request_headers_too_large: 'The request’s headers are larger than the listener takes.',
  request_payload_too_large: 'The request’s body is larger than the route takes.',
  response_payload_too_large: 'The upstream’s answer is larger than a filter could hold.',
  path_normalization_failed: 'The path has escaped slashes, or cannot be made unambiguous; nothing looked at it.',
  absolute_path_rejected: 'The request line names no host that this listener serves.',
  missing_host_header: 'The request has no Host header.',
  missing_path_rejected: 'The request has no path.',
  low_version: 'HTTP/1.0 is not served.',
  overload: 'Envoy is short of memory or connections and sheds load.',
  upgrade_failed: 'The asked-for protocol upgrade is not allowed on this route.',
  request_header_timeout: 'The request’s headers did not arrive in time.',
  request_overall_timeout: 'The request did not arrive in time.',
  stream_idle_timeout: 'Neither side sent anything for too long.',
  max_duration_timeout: 'The request lasted longer than a stream may.',
  duration_timeout: 'The connection reached the age at which it is closed.',
  response_timeout: 'The upstream did not answer within the route’s timeout.',
  upstream_response_timeout: 'The upstream did not answer within the route’s timeout.',
  upstream_per_try_timeout: 'The upstream did not answer within the time of one try.',
  upstream_max_stream_duration_reached: 'The answer lasted longer than the route allows.',
  upstream_reset_before_response_started: 'The upstream broke the connection before it answered.',
  upstream_reset_after_response_started: 'The upstream broke the connection in the middle of its answer.',
  downstream_remote_disconnect: 'The client went away before the answer was complete.',
  downstream_local_disconnect: 'Envoy closed the client’s connection.',
  remote_reset: 'The client reset the stream.',
  codec_error: 'The request is not well-formed HTTP.',
  internal_redirect: 'Envoy followed the upstream’s redirect itself.',
  filter_chain_not_found: 'No filter chain of the listener fits the connection (server name, TLS).',
}

/** Names of response code details that this version can explain; rows have them as `problem` where Envoy answered by itself. */
export const DETAIL_NAMES: readonly string[] = Object.keys(DETAILS)

/** What Envoy's response flags mean ("Response flags" of its access log documentation). */
const FLAGS: Readonly<Record<string, string>> = {
  UH: 'no healthy endpoint at the upstream',
  UF: 'the connection to the upstream failed',
  UO: 'a circuit breaker of the upstream is open',
  UT: 'the upstream’s timeout passed',
  UR: 'the upstream reset the stream',
  UC: 'the upstream ended the connection',
  UPE: 'the upstream’s answer is not well-formed',
  UMSDR: 'the answer lasted longer than allowed',
  URX: 'all tries at the upstream failed',
  NR: 'no route for the path',
  NC: 'the route’s cluster is not known',
  NFCF: 'no filter chain fits',
  LH: 'a health check of this Envoy failed',
  LR: 'Envoy reset the stream',
  DC: 'the client went away',
  DR: 'the client reset the stream',
  DPE: 'the request is not well-formed',
  DT: 'the request or connection lasted too long',
  DI: 'delayed by fault injection',
  FI: 'ended by fault injection',
  RL: 'refused by a rate limit',
  RLSE: 'the rate limit service failed',
  UAEX: 'ext-authz refused it or failed',
  IH: 'a header has a value that is not allowed',
  SI: 'the stream was idle too long',
  OM: 'Envoy’s overload manager ended it',
  DF: 'the name of the upstream could not be resolved',
}

/** A sentence for Envoy's response code details; undefined for details that say nothing we know. */
export function detailsInWords(details: string): string | undefined {
  const [name = ''] = details.split(/[{(]/, 1)
  const known = DETAILS[name] ?? (CODEC.test(name) ? DETAILS['codec_error'] : undefined)
  const cause = /^[^{(]*[{(](.*)[})]$/.exec(details)?.[1]
  return known === undefined || cause === undefined ? known : `${known} Envoy: ${cause.replaceAll('_', ' ')}.`
}

/** `http1.codec_error`, `http2.violation.of.messaging.rule` …: what a codec objects to. */
const CODEC = /^http[123]\./

/** Each of Envoy's response flags (`UF,URX`) with its meaning. */
export function flagsInWords(flags: string): readonly string[] {
  return flags
    .split(',')
    .filter((flag) => flag !== '' && flag !== '-')
    .map((flag) => (FLAGS[flag] === undefined ? flag : `${flag}: ${FLAGS[flag]}`))
}
