import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { echo, type Gateway, startGateway } from '../support/gateway.ts'
import { http } from '../support/http.ts'
import { SteadyLoad } from '../support/steady-load.ts'
import { until } from '../support/until.ts'

/** `EDITS=200 npx vitest run test/e2e/edits.test.ts` is the long form. */
const EDITS = Number(process.env['EDITS'] ?? 40)
const FILE = 'edited.ts'
const OPEN = "open('a test of edits under load')"

let gateway: Gateway

beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway?.stop())

/** A gateway at /edited with the given routes; each upstream is one of the two samples under a name of its own. */
function definition(routes: ReadonlyMap<string, string>, upstreams: ReadonlyMap<string, string>): string {
  const rows = [...routes]
    .map(([name, target]) => `    '${name}': get('/${name}', { target: '${target}' }),\n`)
    .join('')
  const targets = [...upstreams].map(([name, address]) => `    '${name}': http('${address}'),\n`).join('')
  return `import { defineGateway, get, http, open } from '../define.ts'

export default defineGateway({
  name: 'edited',
  type: 'project',
  prefix: '/edited',
  identity: ${OPEN},
  upstreams: {
${targets}  },
  target: 'plant',
  routes: {
    fixed: get('/fixed'),
${rows}  },
})
`
}

const BROKEN = [
  (text: string) => text.replace("target: 'plant',", "target: 'plnat',"),
  (text: string) => text.replace("get('/fixed')", "get('/fixed', { timeuot: '1s' })"),
  (text: string) => text.slice(0, text.length / 2),
  (text: string) => text.replace('defineGateway({', "defineGateway({ ...(() => { throw new Error('no') })(),"),
]

/** Waits until the file's mistake is shown, with its place. */
async function refused(from: number): Promise<void> {
  await until('the mistake to be shown with its file and line', () =>
    gateway.events
      .slice(from)
      .some((event) => event.kind === 'said' && event.part === 'xds-server' && /edited\.ts:\d+/.test(event.line)),
  )
}

const upstreamOf = async (path: string) => {
  const response = await gateway.request(path)
  return response.status === 200 ? echo(response).upstream : String(response.status)
}

type Step = 'add' | 'retarget' | 'new upstream' | 'remove' | 'break'
const CYCLE: readonly Step[] = [
  'add',
  'retarget',
  'new upstream',
  'retarget',
  'remove',
  'add',
  'retarget',
  'new upstream',
  'remove',
  'break',
]

/** The edited file, the load on it, and what it should answer. */
class Editing {
  readonly #upstreams = new Map([
    ['plant', 'plant:8000'],
    ['sandbox', 'plant-sandbox:8001'],
  ])
  readonly #routes = new Map<string, string>()
  readonly #load: SteadyLoad
  #at = 0

  constructor(load: SteadyLoad) {
    this.#load = load
  }

  async save(): Promise<void> {
    await gateway.write(FILE, definition(this.#routes, this.#upstreams))
  }

  /** One edit, done when it answers as it should. */
  async step(): Promise<void> {
    const edit = this.#at++
    const name = `r${Math.floor(edit / 5)}`
    const step = CYCLE[edit % CYCLE.length]
    switch (step) {
      case 'break':
        return this.#breakFile(edit)
      case 'remove':
        return this.#remove(name)
      case 'new upstream':
        this.#upstreams.set(`own-${name}`, edit % 2 === 0 ? 'plant:8000' : 'plant-sandbox:8001')
        return this.#retarget(name, `own-${name}`)
      default:
        return this.#retarget(name, this.#routes.get(name) === 'plant' ? 'sandbox' : 'plant')
    }
  }

  async #breakFile(edit: number): Promise<void> {
    const from = gateway.events.length
    const mistake = BROKEN[Math.floor(edit / CYCLE.length) % BROKEN.length]
    await gateway.write(FILE, mistake?.(definition(this.#routes, this.#upstreams)) ?? '')
    await refused(from)
    expect(await upstreamOf('/edited/fixed')).toBe('plant')
    await this.save()
  }

  async #remove(name: string): Promise<void> {
    await this.#load.drop('edited')
    this.#routes.delete(name)
    this.#upstreams.delete(`own-${name}`)
    await this.save()
    await until(`${name} to be gone`, async () => (await upstreamOf(`/edited/${name}`)) === '404')
  }

  /** The route stays under load while it moves. */
  async #retarget(name: string, target: string): Promise<void> {
    this.#routes.set(name, target)
    await this.save()
    const wanted = this.#upstreams.get(target) === 'plant:8000' ? 'plant' : 'plant-sandbox'
    await until(`${name} to reach ${wanted}`, async () => (await upstreamOf(`/edited/${name}`)) === wanted)
    this.#load.target('edited', { port: gateway.ports.http, path: `/edited/${name}` })
  }
}

test(
  `RT-10 ${EDITS} edits under load: no request fails, broken files change nothing and are explained`,
  async () => {
    const load = new SteadyLoad(100)
    const editing = new Editing(load)
    await editing.save()
    await until('/edited/fixed to answer', async () => (await upstreamOf('/edited/fixed')) === 'plant')
    const { http: port } = gateway.ports
    const authorization = `Bearer ${await gateway.token('paying')}`
    load.target('fixed', { port, path: '/edited/fixed' })
    load.target('paying', { port, path: '/api/cp/v1/agents', headers: [['Authorization', authorization]] })
    for (let edit = 0; edit < EDITS; edit++) await editing.step()
    const report = await load.stop()
    expect(report.failures).toEqual({})
    expect(report.sent).toBeGreaterThan(EDITS)
  },
  60_000 + EDITS * 2_000,
)

test('XD-3 a removed definition file takes its routes away, and nothing else', async () => {
  await rm(join(gateway.definitions, FILE))
  await until('/edited/fixed to be gone', async () => (await upstreamOf('/edited/fixed')) === '404')
  expect((await gateway.request('/health')).status).toBe(200)
})

test('XD-4 the status names every Envoy with what it has acknowledged', async () => {
  const status = await until('Envoy to be in sync', async () => {
    const answer = (await http({ port: gateway.ports.status, path: '/status' })).json() as {
      envoys: { synced: boolean }[]
    }
    return answer.envoys[0]?.synced ? answer : undefined
  })
  expect(status.envoys).toHaveLength(1)
  const stats = await gateway.admin('/stats?filter=update_rejected&usedonly')
  expect(stats.split('\n').filter((line) => /update_rejected: [1-9]/.test(line))).toEqual([])
})
