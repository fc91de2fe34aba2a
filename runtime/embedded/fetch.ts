import { envoyBinary } from './envoy-binary.ts'
import { serverAccount } from './postgres/account.ts'
import { postgresPrograms } from './postgres/programs.ts'

/** Makes ready what `up` and the tests run, so that neither waits for the network later. Talks on stderr only. */
async function fetchAll(): Promise<void> {
  const started = Date.now()
  const binary = await envoyBinary((line) => process.stderr.write(`${line}\n`))
  process.stderr.write(`envoy: ${binary} (${Date.now() - started} ms)\n`)
  const { bin } = await postgresPrograms(await serverAccount())
  process.stderr.write(`postgres: ${bin}\n`)
}

try {
  await fetchAll()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
