import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isCompletion, readCompletion } from '../../../ext-authz/audit/completion.ts'
import { rowId } from '../../../ext-authz/audit/keys.ts'
import { HalfError, lateOf, rowOf } from '../../../ext-authz/audit/projection.ts'
import { type AuditRow, COMPLETION_COLUMNS } from '../../../ext-authz/store/audit-row.ts'
import { COLUMNS } from '../../../ext-authz/store/columns.ts'
import { BEGINNING, decisionJson, type LineMembers, lineJson } from '../recorder/halves.ts'

const NODE = 'node-1'
const decision = (changes: Parameters<typeof decisionJson>[1] = {}) => ({
  json: Buffer.from(decisionJson('r-1', changes)),
  event: 'node-1.boot.7',
})
const line = (members: LineMembers & { at?: number } = {}, id: string | null = 'r-1') =>
  Buffer.from(lineJson(id, members))
const DENIED = { verdict: 'deny', status: 403, problem: 'permission-denied', detail: 'You may not do this.' } as const

test('AU-2 a row has who, what, why, how long and what came back from its two halves', () => {
  const row = rowOf(
    NODE,
    decision(),
    line({ event: 'node-1.boot.7', actual_cost: '0.0123', retry_after: '3' }),
    'completed',
  )
  expect(row).toMatchObject({
    timestamp: BEGINNING,
    request_id: 'r-1',
    correlation_id: 'correlation-r-1',
    gateway: 'partner',
    route: 'list agents',
    user_id: 'user-1',
    customer_id: 'customer-1',
    opa_policies_evaluated: ['identify', 'rbac'],
    opa_decisions: { address: 'skip', identify: 'pass', rbac: 'pass' },
    opa_latency_ms: 0.09,
    status_code: 200,
    total_latency_ms: 5,
    plant_latency_ms: 3,
    response_headers: { 'content-type': 'application/json', 'retry-after': '3' },
    actual_cost: 12_300,
    event_id: 'node-1.boot.7',
    verdict: 'pass',
    outcome: 'completed',
  })
  expect(row.response_body).toBeUndefined()
  expect(Object.keys(row).toSorted()).toEqual(COLUMNS.toSorted())
})

test('AU-1 all halves of a request lead to one key, whichever come together', () => {
  const both = rowOf(NODE, decision(), line(), 'completed')
  const alone = rowOf(NODE, undefined, line(), 'envoy')
  const open = rowOf(NODE, decision(), undefined, 'open')
  for (const { timestamp, id } of [alone, open, lateOf(NODE, line())])
    expect({ timestamp, id }).toEqual({ timestamp: both.timestamp, id: both.id })
  expect(both.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(rowId('node-2', 'r-1')).not.toBe(both.id)
  // Without the separator these two would be one.
  expect(rowId('node', '1r')).not.toBe(rowId('node1', 'r'))
})

/** As the database completes an open row: what is empty is filled, the status is the completion's. */
function completed(open: AuditRow, late: ReturnType<typeof lateOf>): AuditRow {
  const filled = COMPLETION_COLUMNS.map((name) => [name, open[name] ?? late[name]])
  return {
    ...open,
    ...Object.fromEntries(filled),
    status_code: late.status_code ?? open.status_code,
    outcome: 'completed',
  }
}

test('AU-1 a row that was open and is completed later is the row that it would have been at once', () => {
  const members = fc.record(
    {
      status: fc.constantFrom(0, 200, 403, 503, null),
      details: fc.constantFrom(
        'via_upstream',
        'ext_authz_denied',
        'upstream_reset_before_response_started{connection_failure}',
        null,
      ),
      flags: fc.constantFrom('-', 'DC', 'UH,UF', null),
      actual_cost: fc.constantFrom('1.5', 'free', null),
      upstream_us: fc.constantFrom(12, null),
      peer_address: fc.constantFrom('192.0.2.1', null),
      causation_id: fc.constantFrom('elsewhere', null),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(members, fc.constantFrom({}, DENIED), (said, changes) => {
      const half = decision(changes)
      const open = rowOf(NODE, half, undefined, 'open')
      expect(completed(open, lateOf(NODE, line(said)))).toEqual(rowOf(NODE, half, line(said), 'completed'))
    }),
  )
})

test('AU-1 what Envoy answered alone is told in the words of its log', () => {
  const row = rowOf(
    NODE,
    undefined,
    line(
      { status: 431, details: 'http1.headers_too_large', flags: 'DPE', route: null, method: null, path: null },
      null,
    ),
    'envoy',
  )
  expect(row).toMatchObject({
    request_id: undefined,
    status_code: 431,
    problem: 'http1.headers_too_large',
    error_type: 'http1.headers_too_large',
    error_message: 'http1.headers_too_large (DPE)',
    verdict: undefined,
    client_address: '127.0.0.1',
  })
  expect(row.id).toBe(rowId(NODE, `line-null-${BEGINNING}`))
})

test.each([
  [{ status: 200, details: 'via_upstream', flags: '-' }, undefined, undefined],
  [{ status: 503, details: 'via_upstream', flags: '-' }, undefined, 'upstream'],
  [
    { status: 503, details: 'upstream_reset_before_response_started{connection_failure}', flags: 'UF' },
    'upstream_reset_before_response_started',
    'upstream_reset_before_response_started',
  ],
  [
    { status: 0, details: 'downstream_remote_disconnect', flags: 'DC' },
    'downstream_remote_disconnect',
    'downstream_remote_disconnect',
  ],
  [
    { status: 200, details: 'downstream_remote_disconnect', flags: 'DC' },
    'downstream_remote_disconnect',
    'downstream_remote_disconnect',
  ],
  [{ status: 204, details: 'cors_preflight', flags: '-' }, undefined, undefined],
])('AU-2 of %j the problem is %s and the kind of error %s', (said, problem, type) => {
  expect(rowOf(NODE, undefined, line(said), 'envoy')).toMatchObject({ problem, error_type: type })
})

test('AU-2 a refusal keeps its own problem and takes the status that the client got', () => {
  const open = rowOf(NODE, decision(DENIED), undefined, 'open')
  expect(open).toMatchObject({ status_code: 403, problem: 'permission-denied', error_message: 'You may not do this.' })
  const row = rowOf(
    NODE,
    decision(DENIED),
    line({ status: 503, details: 'ext_authz_error', flags: 'UAEX' }),
    'completed',
  )
  expect(row).toMatchObject({ status_code: 503, problem: 'permission-denied', error_type: 'permission-denied' })
})

test.each([
  ['1', 1_000_000],
  ['0.1', 100_000],
  ['0.0000005', 1],
  ['0.0000004', 0],
  ['12.345678', 12_345_678],
  ['9007199254.740991', Number.MAX_SAFE_INTEGER],
  ['9007199254.740992', undefined],
  ['-1', undefined],
  ['1e3', undefined],
  ['1,5', undefined],
  ['free', undefined],
  ['', undefined],
])('AU-2 a cost of %j dollars is %s micro-dollars', (dollars, micro) => {
  expect(rowOf(NODE, undefined, line({ actual_cost: dollars }), 'envoy').actual_cost).toBe(micro)
})

test('AU-1 poison in either half is shown, and its exact bytes are kept', () => {
  const half = decision({ path: '/a\0b', headers: { 'user-agent': '\ud800', 'a\0': 'b' } })
  const row = rowOf(NODE, half, line({ details: 'x\0y', status: 500 }), 'completed')
  expect(row.endpoint).toBe('/a\\u0000b')
  expect(row.request_headers).toEqual({ 'user-agent': '\\ud800', 'a\\u0000': 'b' })
  expect(row.response_details).toBe('x\\u0000y')
  expect(row.decision_bytes).toEqual(half.json)
})

test('AU-4 what a client may make long does not exceed what an index can hold', () => {
  const long = '😀'.repeat(5_000)
  const row = rowOf(NODE, undefined, line({ correlation_id: long, route: `g/${long}` }), 'envoy')
  for (const text of [row.correlation_id, row.route]) {
    expect(Buffer.byteLength(text ?? '')).toBeLessThan(2_600)
    expect(text?.isWellFormed()).toBe(true)
  }
})

test.each([
  ['no JSON', 'it is no JSON object'],
  ['[1]', 'it is no JSON object'],
  ['{"line":"a","at":"yesterday"}', 'its "at" is no time of the form 1700000000.123456'],
  ['{"at":"1700000000.123456"}', 'it has no "line"'],
])('AU-8 of a line that makes no row the fault is named: %s', (text, why) => {
  expect(readCompletion(Buffer.from(text))).toEqual({ unreadable: why })
  expect(() => rowOf(NODE, undefined, Buffer.from(text), 'envoy')).toThrow(HalfError)
})

test('AU-2 numbers are read as numbers or digits, times to the microsecond', () => {
  const read = readCompletion(
    Buffer.from('{"line":"l","at":"1795268600.886007","status":"404","bytes_sent":-1,"total_us":1.5}'),
  )
  if (!isCompletion(read)) throw new Error(read.unreadable)
  expect(read).toMatchObject({ at: 1_795_268_600_886_007, status: 404, bytesSent: undefined, totalUs: undefined })
})

test('AU-1 an id that the client wrote, in a request that Envoy refused before it made one, is nobody’s', () => {
  const refused = line({
    route: null,
    details: 'path_normalization_failed',
    client_address: '203.0.113.9',
    status: 400,
  })
  const row = rowOf(NODE, undefined, refused, 'envoy')
  expect(row).toMatchObject({ request_id: undefined, correlation_id: undefined, client_address: '127.0.0.1' })
  expect(row.id).not.toBe(rowOf(NODE, decision(), undefined, 'open').id)
  expect(rowOf(NODE, undefined, line({ route: null, details: 'route_not_found' }), 'envoy').request_id).toBe('r-1')
})

test('AU-2 where the client went away, the duration is that in milliseconds', () => {
  expect(rowOf(NODE, undefined, line({ total_us: null, duration_ms: 7 }), 'envoy').total_latency_ms).toBe(7)
})
