import { expect, test } from 'vitest'
import { countsFor, nameOf, planFaults, VICTIMS } from './faults.ts'

test('a run of 300 s kills Envoy, a worker, the recorder and PostgreSQL at least 8 times each', () => {
  const names = planFaults(300, countsFor(300), 1).map(nameOf)
  for (const victim of VICTIMS)
    expect(names.filter((name) => name === `kill ${victim}`).length).toBeGreaterThanOrEqual(8)
  expect(names.filter((name) => name === 'cut commit').length).toBeGreaterThanOrEqual(8)
})

test('the shortest run has every kind of fault', () => {
  const names = new Set(planFaults(12, countsFor(12), 1).map(nameOf))
  expect(names).toEqual(new Set([...VICTIMS.flatMap((victim) => [`kill ${victim}`, `stop ${victim}`]), 'cut commit']))
})

test('a seed determines what happens when; another seed gives another run', () => {
  const plan = (seed: number) => planFaults(300, countsFor(300), seed)
  expect(plan(7)).toEqual(plan(7))
  expect(plan(7)).not.toEqual(plan(8))
})

test('faults come in order within the run, stops last 1 to 3 s', () => {
  const plan = planFaults(300, countsFor(300), 3)
  expect(plan.map(({ atMs }) => atMs)).toEqual(plan.map(({ atMs }) => atMs).toSorted((a, b) => a - b))
  expect(plan.at(-1)?.atMs).toBeLessThan(300_000)
  const lengths = plan.flatMap((fault) => (fault.kind === 'stop' ? [fault.lastsMs] : []))
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(1_000)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(3_000)
})
