import { compileListener } from '../../compile.ts'
import type { Bindings } from '../bindings.ts'
import type { Tables } from '../definitions.ts'
import type { PropertyPath } from '../plain-data.ts'
import type { Report } from '../reading.ts'

interface Bound {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly path: PropertyPath
}

/** Reports a redirect without a TLS port, and two listeners in use, or two ports of one, at the same address. */
export function checkPorts(
  used: ReadonlySet<string>,
  tables: Tables,
  bindings: Bindings | undefined,
  report: Report,
): void {
  for (const [name, { redirectToHttps, tls }] of Object.entries(tables.listeners)) {
    if (!redirectToHttps || tls !== undefined) continue
    report({
      code: 'SP3008',
      path: [name, 'redirectToHttps'],
      message: `the listener "${name}" redirects to HTTPS, but has no TLS port`,
      suggestion: 'add tls, or set redirectToHttps to false',
    })
  }
  const ports = [...used]
    .filter((name) => Object.hasOwn(tables.listeners, name))
    .flatMap((name) => portsOf(name, tables, bindings))
  for (const [index, one] of ports.entries()) {
    const other = ports.slice(0, index).find((earlier) => collide(earlier, one))
    if (other === undefined) continue
    const message = `${one.address}:${one.port} is taken already, by the listener "${other.name}"`
    report({ code: 'SP3012', path: one.path, message, suggestion: 'choose another port, here or in the bindings' })
  }
}

function portsOf(name: string, tables: Tables, bindings: Bindings | undefined): Bound[] {
  const { address, port, tls } = compileListener(name, tables, bindings)
  const plain = { name, address, port, path: [name, 'port'] }
  return tls === undefined ? [plain] : [plain, { name, address, port: tls.port, path: [name, 'tls', 'port'] }]
}

function collide(a: Bound, b: Bound): boolean {
  const anywhere = [a.address, b.address].some((address) => address === '0.0.0.0' || address === '::')
  return a.port === b.port && (anywhere || a.address === b.address)
}
