import { PROBLEMS, type Slug } from '../../policies/problems.ts'
import { any } from '../../protos/any.ts'
import type { AccessLogFilter } from '../../protos/gen/envoy/config/accesslog/v3/AccessLogFilter.ts'
import type { LocalReplyConfig } from '../../protos/gen/envoy/extensions/filters/network/http_connection_manager/v3/LocalReplyConfig.ts'
import type { ResponseMapper } from '../../protos/gen/envoy/extensions/filters/network/http_connection_manager/v3/ResponseMapper.ts'
import { setHeader } from './headers.ts'
import { type IdSources, problemBody, REQUEST_IDS } from './problem-body.ts'
import { wrapped } from './values.ts'

/** What Envoy says by itself, by status (facts/envoy.md §4). */
const OWN_ANSWERS: readonly Slug[] = [
  'bad-request',
  'permission-denied',
  'not-found',
  'request-timeout',
  'payload-too-large',
  'upgrade-required',
  'rate-limit-exceeded',
  'headers-too-large',
  'internal-server-error',
  'bad-gateway',
  'service-unavailable',
  'gateway-timeout',
]

/**
 * The ids where no request headers were read: what the HTTP codec refuses (400, 408, 426, 431), and a path that cannot be
 * normalised, which Envoy answers before anything of ours has looked at the client's ids. A fresh id is set as response header
 * first, and the body repeats it.
 */
const FRESH_IDS: IdSources = { instance: '%RESP(x-correlation-id)%', correlation: '%RESP(x-correlation-id)%' }

/** Answers that already are what they should be: ext-authz's refusals, byte for byte, and our own direct responses. */
const FINISHED = '!(response.code_details in ["ext_authz_denied", "direct_response"])'

/** Also true for a refused path, whose request headers are still the client's own. */
const READ = '!(response.code_details in ["ext_authz_denied", "direct_response", "path_normalization_failed"])'

/** Seconds a client should wait after a 503 of Envoy's own (design.md §8). */
const RETRY_AFTER_SECONDS = '1'

/** Every error of Envoy's own as RFC 9457 (RT-7). The first mapper that matches wins; a status without a slug becomes the nearest. */
export function localReplies(base: string): LocalReplyConfig {
  return {
    mappers: [
      ...OWN_ANSWERS.flatMap((slug) => both(status('EQ', PROBLEMS[slug].status), slug, base)),
      // 501 is Envoy's answer to a transfer coding that it does not know: the client's fault, not ours.
      ...both(status('EQ', 501), 'bad-request', base),
      ...both(status('GE', 500), 'internal-server-error', base),
      ...both(status('GE', 400), 'bad-request', base),
    ],
  }
}

function both(when: AccessLogFilter, slug: Slug, base: string): ResponseMapper[] {
  return [
    mapper([when, expression(READ), hasHeader('x-request-id')], slug, problemBody(slug, base, REQUEST_IDS)),
    {
      ...mapper([when, expression(FINISHED)], slug, problemBody(slug, base, FRESH_IDS)),
      headers_to_add: [setHeader('x-correlation-id', '%UNIQUE_ID%'), ...retryAfter(slug)],
    },
  ]
}

function mapper(filters: AccessLogFilter[], slug: Slug, body: ResponseMapper['body_format_override']): ResponseMapper {
  return {
    filter: { and_filter: { filters } },
    status_code: wrapped(PROBLEMS[slug].status),
    body_format_override: body ?? null,
    headers_to_add: retryAfter(slug),
  }
}

function retryAfter(slug: Slug) {
  return slug === 'service-unavailable' ? [setHeader('retry-after', RETRY_AFTER_SECONDS)] : []
}

function status(op: 'EQ' | 'GE', code: number): AccessLogFilter {
  return {
    status_code_filter: {
      // Envoy demands a runtime key although nothing overrides it.
      comparison: { op, value: { default_value: code, runtime_key: `sallyport.local_reply.${code}` } },
    },
  }
}

function expression(text: string): AccessLogFilter {
  return {
    extension_filter: {
      name: 'cel',
      typed_config: any('envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter', { expression: text }),
    },
  }
}

function hasHeader(name: string): AccessLogFilter {
  return { header_filter: { header: { name, present_match: true } } }
}
