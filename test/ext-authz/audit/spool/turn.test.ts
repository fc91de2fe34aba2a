import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Turn } from '../../../../ext-authz/audit/spool/turn.ts'

/** Records that are added, and how many were written together. */
class Bench {
  readonly writes: number[] = []
  #added = 0
  readonly #turn = new Turn(() => {
    if (this.#added > 0) this.writes.push(this.#added)
    this.#added = 0
  })

  add(): void {
    this.#added += 1
    this.#turn.added()
  }
}

test('AU-1 all records of a turn are one write at its end, whoever adds them', async () => {
  const bench = new Bench()
  for (let turn = 0; turn < 3; turn++) {
    bench.add()
    await Promise.resolve()
    bench.add()
    process.nextTick(() => bench.add())
    await Promise.resolve()
    expect(bench.writes).toHaveLength(turn)
    await nextTurn()
  }
  expect(bench.writes).toEqual([3, 3, 3])
})

test('AU-1 after a turn with one record the next is written at once, until two come in one turn', async () => {
  const bench = new Bench()
  bench.add()
  await Promise.resolve()
  expect(bench.writes).toEqual([])
  await nextTurn()
  bench.add()
  await Promise.resolve()
  expect(bench.writes).toEqual([1, 1])
  bench.add()
  bench.add()
  await nextTurn()
  expect(bench.writes).toEqual([1, 1, 2])
  bench.add()
  await Promise.resolve()
  expect(bench.writes).toEqual([1, 1, 2])
  await nextTurn()
  expect(bench.writes).toEqual([1, 1, 2, 1])
})
