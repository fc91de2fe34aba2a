import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { rowId } from '../../../ext-authz/audit/keys.ts'
import { NO_ROOT } from '../../../ext-authz/audit/roots.ts'
import { openSigningKey } from '../../../ext-authz/audit/signing-key.ts'
import { DeadLetters, LettersFull } from '../../../ext-authz/recorder/dead-letters.ts'
import type { Entry, RowEntry } from '../../../ext-authz/recorder/entry.ts'
import { prepare } from '../../../ext-authz/recorder/prepared.ts'
import { replayDeadLetters } from '../../../ext-authz/recorder/replay.ts'
import { passesByItself, Sender } from '../../../ext-authz/recorder/sender.ts'
import { NOT_ENCODABLE, RowRefused } from '../../../ext-authz/store/errors.ts'
import type { AuditWriter } from '../../../ext-authz/store/writer.ts'
import { BEGINNING, decisionJson, lineJson } from './halves.ts'
import { MemoryStore, NO_MAINTAINER } from './memory-store.ts'

const NODE = 'node-1'
const key = (id: string) => ({ timestamp: BEGINNING, id: rowId(NODE, id) })
const decision = (id: string) => ({ event: `${NODE}.boot.${id}`, json: Buffer.from(decisionJson(id)) })
const line = (id: string, contentType = 'text/plain') => Buffer.from(lineJson(id, { content_type: contentType }))

const open = (id: string): RowEntry => ({
  kind: 'row',
  ...key(id),
  outcome: 'open',
  decision: decision(id),
  line: undefined,
  sure: true,
})
const whole = (id: string, contentType?: string): Entry => ({
  kind: 'row',
  ...key(id),
  outcome: 'completed',
  decision: decision(id),
  line: line(id, contentType),
  sure: true,
})
const late = (id: string): Entry => ({
  kind: 'late',
  ...key(id),
  decision: undefined,
  line: line(id),
  otherwise: 'completed',
})

/** Sends one batch and gives what is in the store, and the dead letters. */
async function send(
  entries: readonly Entry[],
  options: {
    ended?: number
    writer?: (store: MemoryStore) => AuditWriter
    /** Of the dead letters; one of its own by default. */
    folder?: string
    /** Number of the root before. */
    from?: number
    prepared?: (store: MemoryStore, folder: string) => void
  } = {},
) {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'sallyport-sender-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const store = new MemoryStore()
  options.prepared?.(store, folder)
  store.poison = ({ response_headers: headers }) => JSON.stringify(headers)?.includes('poison') ?? false
  const sender = new Sender({
    node: NODE,
    writer: options.writer?.(store) ?? store,
    maintainer: NO_MAINTAINER,
    letters: await DeadLetters.open(folder, NODE),
    patience: {
      signal: new AbortController().signal,
      random: Math.random,
      passes: passesByItself,
      told: () => undefined,
    },
    deadLetter: () => undefined,
    now: Date.now,
  })
  const signing = await openSigningKey(folder)
  const ended = options.ended === undefined ? [] : [{ node: NODE, before: options.ended }]
  const after = { join: { logTime: 0, endedBefore: 0, openedUntil: 0 }, log: undefined, spools: {} }
  await sender.send(
    prepare(
      { node: NODE, from: { number: options.from ?? 0, root: NO_ROOT }, entries, ended, after, madeAt: 1 },
      signing,
    ),
  )
  const rows = [...store.rows.values()].map(({ request_id, outcome }) => `${request_id} ${outcome}`).toSorted()
  const letters = readdirSync(folder).filter((name) => /\.(row|late)\.json$/.test(name))
  return { rows, letters, store, folder }
}

test('AU-1 a refused row does not keep the open rows of its batch from ending with their Envoy', async () => {
  const { rows, letters, store } = await send([whole('a', 'poison'), whole('b'), open('c'), open('d')], {
    ended: BEGINNING + 1,
  })
  expect(rows).toEqual(['b completed', 'c unknown', 'd unknown'])
  expect(letters).toHaveLength(1)
  expect(store.roots.size).toBe(1)
})

test('AU-8 of thousand rows one is refused: about twenty transactions, not a thousand', async () => {
  const entries = Array.from({ length: 1_000 }, (_, request) =>
    whole(`r${request}`, request === 617 ? 'poison' : undefined),
  )
  const { rows, letters, store } = await send(entries)
  expect([rows.length, letters.length]).toEqual([999, 1])
  expect(store.writes).toBeLessThan(25)
})

/** Refuses rows without a completion, naming them. */
const refuseOpen = (store: MemoryStore): AuditWriter => ({
  write: async (batch) => {
    const bad = batch.rows.filter(({ outcome }) => outcome === 'open')
    if (bad.length > 0) throw new RowRefused('no integer', NOT_ENCODABLE, bad)
    return store.write(batch)
  },
  lastRoot: (node) => store.lastRoot(node),
  close: () => store.close(),
})

test('AU-8 the late completion of a row in the dead letters waits beside it, and replay makes one whole row of both', async () => {
  const { rows, letters, store, folder } = await send([open('a'), late('a')], { writer: refuseOpen })
  expect(rows).toEqual([])
  const name = `${BEGINNING}-${rowId(NODE, 'a')}`
  expect(letters.toSorted()).toEqual([`${name}.late.json`, `${name}.row.json`])
  expect(await replayDeadLetters(folder, store)).toEqual({ written: 2, kept: [] })
  const [row] = store.rows.values()
  expect(row).toMatchObject({ request_id: 'a', outcome: 'completed', event_id: decision('a').event, status_code: 200 })
})

test('AU-8 a decision of a request whose row is a dead letter does not take that row’s place', async () => {
  const second: Entry = { ...open('a'), decision: { ...decision('a'), event: `${NODE}.boot.second` }, sure: false }
  const { rows, letters, store, folder } = await send([whole('a', 'poison'), second, { ...open('b'), sure: false }])
  expect(rows).toEqual(['b open'])
  expect(letters).toHaveLength(1)
  store.poison = () => false
  expect(await replayDeadLetters(folder, store)).toEqual({ written: 1, kept: [] })
  expect(store.rows.get(`${BEGINNING} ${rowId(NODE, 'a')}`)).toMatchObject({
    outcome: 'completed',
    event_id: decision('a').event,
  })
})

test('AU-8 while the row is refused again its late completion stays beside it, and both come back later', async () => {
  const { store, folder } = await send([open('a'), late('a')], { writer: refuseOpen })
  const again = await replayDeadLetters(folder, refuseOpen(store))
  expect([again.written, again.kept.map(({ why }) => why)]).toEqual([
    0,
    ['no integer (SP000)', 'its row is still a dead letter'],
  ])
  expect(await replayDeadLetters(folder, store)).toEqual({ written: 2, kept: [] })
  expect([...store.rows.values()]).toMatchObject([{ outcome: 'completed', event_id: decision('a').event }])
})

test('AU-8 a batch that is sent again puts its own refused decision aside again: the letter names the root that is in the store', async () => {
  const first = await send([{ ...open('a'), sure: false }], { writer: refuseOpen })
  const [name = ''] = first.letters
  const rootOf = () => JSON.parse(readFileSync(join(first.folder, name), 'utf8')).root
  expect(rootOf()).toBe(1)
  await send([{ ...open('a'), sure: false }], { writer: refuseOpen, folder: first.folder, from: 7 })
  expect(rootOf()).toBe(8)
})

test('AU-1 a late completion whose row comes back from the letters meanwhile completes that row', async () => {
  let replaying: (() => Promise<void>) | undefined
  const { rows, letters } = await send([open('a'), late('a')], {
    writer: (store) => ({
      ...refuseOpen(store),
      write: async (batch) => {
        if (batch.rows.length > 0) return refuseOpen(store).write(batch)
        // Replay commits the row between the refusal of the late completion and what becomes of it.
        return store.write(batch).catch(async (error) => {
          await replaying?.()
          throw error
        })
      },
    }),
    prepared: (store, folder) => {
      replaying = async () => {
        replaying = undefined
        await replayDeadLetters(folder, store)
      }
    },
  })
  expect(rows).toEqual(['a completed'])
  expect(letters).toEqual([])
})

test('AU-8 a batch of which nothing can be written leaves its root and its letters', async () => {
  const { rows, letters, store } = await send([whole('a', 'poison'), whole('b', 'poison')])
  expect([rows.length, letters.length, store.roots.size]).toEqual([0, 2, 1])
})

test('AU-8 dead letters are bounded: when there are too many the rest waits and is not dropped', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-letters-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const letters = await DeadLetters.open(folder, NODE, 2)
  await letters.putLine(Buffer.from('one'), 'why')
  await letters.putLine(Buffer.from('two'), 'why')
  await expect(letters.putLine(Buffer.from('three'), 'why')).rejects.toThrow(LettersFull)
  for (const name of readdirSync(folder).slice(0, 1)) rmSync(join(folder, name))
  await letters.putLine(Buffer.from('three'), 'why')
  expect(passesByItself(new LettersFull())).toBe(true)
})
