import { expect, onTestFinished } from 'vitest'
import { checkBench } from './check-bench.ts'
import { checkRequest } from './check-request.ts'

/** A Check method of one test, closed with it. */
export function benchOfTest(options: Parameters<typeof checkBench>[0] = {}) {
  const made = checkBench(options)
  onTestFinished(() => made.close())
  return made
}

/** What {@link checkRequest} is told. */
export type Asked = Parameters<typeof checkRequest>[0]

/** One request, its answer, and the one record that it left; fails where it left none, or two, or the answer names another. */
export async function asked(on: ReturnType<typeof checkBench>, request: Asked, token?: string) {
  const before = (await on.records()).length
  const authorization = token === undefined ? [] : [['authorization', `Bearer ${token}`] as const]
  const answer = await on.ask(checkRequest({ ...request, headers: [...authorization, ...(request.headers ?? [])] }))
  const [record, ...more] = (await on.records()).slice(before)
  expect(more).toEqual([])
  if (record === undefined) throw new Error('the answer left no record')
  expect(answer.mark).toEqual({ event: record.event })
  const names = record.stages.map(({ stage, verdict }) => `${stage} ${verdict}`)
  return { answer, record, last: record.stages.at(-1), names }
}
