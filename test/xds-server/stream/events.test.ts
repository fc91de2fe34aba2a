import { describe, expect, test } from 'vitest'
import { quoted } from '../../../xds-server/stream/events.ts'

describe('what is kept of a client’s words', () => {
  test('at most 2,000 characters', () => {
    expect(quoted('x'.repeat(10_000))).toHaveLength(2_000)
  })

  test('no key material: Envoy prints the message that it refuses', () => {
    const text = quoted(
      'private_key { inline_string: "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADAN\\n-----END PRIVATE KEY-----\\n" } bad',
    )
    expect(text).not.toContain('MIIEvQ')
    expect(text).toContain('bad')
    expect(quoted('inline_bytes: "c2VjcmV0"')).not.toContain('c2VjcmV0')
    expect(quoted('-----BEGIN EC PRIVATE KEY-----\nMHcCAQ')).not.toContain('MHcCAQ')
  })
})
