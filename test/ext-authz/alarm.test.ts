import { expect, test } from 'vitest'
import { alarm } from '../../ext-authz/alarm.ts'

test('an alarm is said at once, then once a second with how often it was raised, also when the clock goes back', () => {
  let now = 50_000
  const said: object[] = []
  const raise = alarm<{ path: string }>(
    () => now,
    (facts) => said.push(facts),
  )
  for (let n = 0; n < 1000; n++) raise({ path: '/a' })
  expect(said).toEqual([{ path: '/a', times: 1 }])
  now += 1000
  raise({ path: '/b' })
  expect(said[1]).toEqual({ path: '/b', times: 1000 })
  now -= 3_600_000
  raise({ path: '/c' })
  expect(said[2]).toEqual({ path: '/c', times: 1 })
})
