import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Writes the TypeScript types of our .proto files into protos/gen (not committed); does nothing when they are up to date. */
const HERE = import.meta.dirname
const CHECKOUT = join(HERE, '..')
const OUT = join(HERE, 'gen')
const STAMP = join(OUT, 'stamp')
const GENERATOR = join(CHECKOUT, 'node_modules/@grpc/proto-loader/build/bin/proto-loader-gen-types.js')
const STYLE = ['--keepCase', '--longs=String', '--enums=String', '--oneofs', '--grpcLib=@grpc/grpc-js']
const FLAGS = [...STYLE, '--importFileExtension=.ts', '--targetFileExtension=.ts']

const files = readdirSync(HERE, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.proto'))
  .sort()
const hash = createHash('sha256')
  .update(readFileSync(import.meta.filename))
  .update(readFileSync(GENERATOR))
for (const file of files) hash.update(file).update(readFileSync(join(HERE, file)))
const stamp = hash.digest('hex')

if (!isUpToDate()) generate()

function isUpToDate(): boolean {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp
}

function generate(): void {
  const fresh = `${OUT}.${process.pid}`
  try {
    const args = [GENERATOR, ...FLAGS, `--includeDirs=${HERE}`, `-O=${fresh}`, ...files]
    execFileSync(process.execPath, args, { cwd: CHECKOUT, timeout: 60_000 })
    writeFileSync(join(fresh, 'messages.ts'), messageMap(fresh))
    writeFileSync(join(fresh, 'stamp'), stamp)
    replace(fresh)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/** Whole folders change places, so another run at the same time sees none or all of a folder; the types of either will do. */
function replace(fresh: string): void {
  const old = `${fresh}.old`
  for (let attempt = 1; !isUpToDate(); attempt++) {
    try {
      if (existsSync(OUT)) renameSync(OUT, old)
      renameSync(fresh, OUT)
    } catch (error) {
      if (attempt === 5) throw error
    } finally {
      rmSync(old, { recursive: true, force: true })
    }
  }
}

/** The map from full message names to their types, which any(), encode() and decode() are typed by. */
function messageMap(folder: string): string {
  const messages = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.includes('/') && file.endsWith('.ts'))
    .sort()
    .map((file) => ({ file, path: file.slice(0, -'.ts'.length).split('/') }))
    .filter(({ file, path }) => declaresMessage(readFileSync(join(folder, file), 'utf8'), path.at(-1) ?? ''))
  const imports = messages.map(({ file, path }, at) => {
    const name = path.at(-1)
    return `import type { ${name} as I${at}, ${name}__Output as O${at} } from './${file}'\n`
  })
  const table = (title: string, kind: string) => {
    const rows = messages.map(({ path }, at) => `  '${path.join('.')}': ${kind}${at}\n`)
    return `\nexport interface ${title} {\n${rows.join('')}}\n`
  }
  return `${imports.join('')}${table('Messages', 'I')}${table('Outputs', 'O')}\nexport type MessageName = keyof Messages\n`
}

/** Files of enums and services declare no such interface; Any itself is a union, not an interface. */
function declaresMessage(text: string, name: string): boolean {
  return text.includes(`\nexport interface ${name}__Output {`)
}
