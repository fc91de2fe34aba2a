import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Writes the TypeScript types of our .proto files into protos/gen (not committed); does nothing when they are up to date. */
const HERE = import.meta.dirname
const CHECKOUT = join(HERE, '..')
const OUT = join(HERE, 'gen')
const STAMP = join(OUT, 'stamp')
const FLAGS = ['--keepCase', '--longs=String', '--enums=String', '--oneofs', '--grpcLib=@grpc/grpc-js', '--importFileExtension=.ts', '--targetFileExtension=.ts'] // biome-ignore format: one list

const files = readdirSync(HERE, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.proto'))
  .sort()
const hash = createHash('sha256').update(readFileSync(import.meta.filename))
for (const file of files) hash.update(file).update(readFileSync(join(HERE, file)))
const stamp = hash.digest('hex')

if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== stamp) generate()

function generate(): void {
  const fresh = `${OUT}.${process.pid}`
  const generator = join(CHECKOUT, 'node_modules/@grpc/proto-loader/build/bin/proto-loader-gen-types.js')
  execFileSync(process.execPath, [generator, ...FLAGS, `--includeDirs=${HERE}`, `-O=${fresh}`, ...files], {
    cwd: CHECKOUT,
  })
  writeFileSync(join(fresh, 'messages.ts'), messageMap(fresh))
  writeFileSync(join(fresh, 'stamp'), stamp)
  rmSync(OUT, { recursive: true, force: true })
  renameSync(fresh, OUT)
}

/** The map from full message names to their types, which any(), encode() and decode() are typed by. */
function messageMap(folder: string): string {
  const messages = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.includes('/') && file.endsWith('.ts'))
    .sort()
    .map((file) => ({ file, path: file.slice(0, -'.ts'.length).split('/') }))
    .filter(({ file, path }) =>
      new RegExp(`^export interface ${path.at(-1)}(__Output)? `, 'm').test(readFileSync(join(folder, file), 'utf8')),
    )
  const lines = messages.map(
    ({ file, path }, at) =>
      `import type { ${path.at(-1)} as I${at}, ${path.at(-1)}__Output as O${at} } from './${file}'\n`,
  )
  const rows = (kind: string) => messages.map(({ path }, at) => `  '${path.join('.')}': ${kind}${at}\n`).join('')
  return `${lines.join('')}\nexport interface Messages {\n${rows('I')}}\n\nexport interface Outputs {\n${rows('O')}}\n\nexport type MessageName = keyof Messages\n`
}
