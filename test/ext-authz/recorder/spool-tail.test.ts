import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SpoolReader } from '../../../ext-authz/audit/spool/reader.ts'
import { countOf, inRanges, packRanges } from '../../../ext-authz/recorder/ranges.ts'
import { type SpoolCursor, SpoolTail, type TakenRecord } from '../../../ext-authz/recorder/spool-tail.ts'
import { decisionJson } from './halves.ts'
import { type TestNode, testNode } from './recording.ts'

/** As a new process reads it. */
function tailOf(node: TestNode, cursor?: SpoolCursor): SpoolTail {
  return new SpoolTail(new SpoolReader(join(node.spoolFolder, '0'), cursor?.start), cursor)
}

async function readAll(tail: SpoolTail): Promise<TakenRecord[]> {
  const all: TakenRecord[] = []
  for (;;) {
    const { taken, more } = await tail.read()
    all.push(...taken)
    if (!more) return all
  }
}

async function decide(node: TestNode, count: number): Promise<string[]> {
  const events: string[] = []
  for (let request = 0; request < count; request++) events.push(await node.decide(decisionJson(`r${request}`)))
  return events
}

/** As JSON keeps it. */
const kept = (tail: SpoolTail) => JSON.parse(JSON.stringify(tail.cursor())) as SpoolCursor
const eventsOf = (taken: readonly TakenRecord[]) => taken.map(({ record }) => record.event)

test('AU-1 after a restart exactly what was not settled comes again, and what is new', async () => {
  const node = testNode()
  const events = await decide(node, 10)
  const first = tailOf(node)
  const taken = await readAll(first)
  for (const settled of [0, 1, 3, 4, 9]) taken[settled]?.settle()
  const cursor = kept(first)
  const more = await decide(node, 1)

  const second = tailOf(node, cursor)
  expect(second.resumed).toBe(false)
  const again = await readAll(second)
  expect(second.resumed).toBe(true)
  expect(eventsOf(again)).toEqual([...[2, 5, 6, 7, 8].map((index) => events[index]), ...more])
  for (const one of again) one.settle()
  expect(await readAll(tailOf(node, kept(second)))).toEqual([])
})

test('AU-1 what a record was found out to be is known after every restart', async () => {
  const node = testNode()
  await decide(node, 3)
  const first = tailOf(node)
  const [one, two] = await readAll(first)
  expect([one?.sure, two?.sure]).toEqual([undefined, undefined])
  two?.doubt()
  const second = tailOf(node, kept(first))
  const again = await readAll(second)
  expect(again.map(({ sure }) => sure)).toEqual([true, false, true])
  again[0]?.doubt()
  const third = await readAll(tailOf(node, kept(second)))
  expect(third.map(({ sure }) => sure)).toEqual([false, false, true])
})

test('AU-1 it is known which events were read', async () => {
  const node = testNode()
  const [event = ''] = await decide(node, 1)
  const tail = tailOf(node)
  const dot = event.lastIndexOf('.')
  const [boot, sequence] = [event.slice(0, dot), Number(event.slice(dot + 1))]
  expect(tail.hasRead(boot, sequence)).toBeUndefined()
  await readAll(tail)
  expect(tail.hasRead(boot, sequence)).toBe(true)
  expect(tail.hasRead(boot, sequence + 1)).toBe(false)
  expect(tail.hasRead('node-1.other', sequence)).toBeUndefined()
})

test('AU-1 numbers are packed to ranges and found in them', () => {
  const numbers = [1, 2, 3, 7, 9, 10]
  const ranges = packRanges(numbers)
  expect(ranges).toEqual([
    [1, 3],
    [7, 7],
    [9, 10],
  ])
  expect(countOf(ranges)).toBe(6)
  expect(Array.from({ length: 12 }, (_, number) => number).filter((number) => inRanges(ranges, number))).toEqual(
    numbers,
  )
  expect(inRanges([], 1)).toBe(false)
})
