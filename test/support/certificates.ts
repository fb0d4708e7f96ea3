// Certificates for tests of TLS, made by openssl: an authority, a server of it, one whose time is
// over, and a client.
import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { getBinary } from './binaries.ts'

const run = promisify(execFile)

export interface Certificate {
  certFile: string
  keyFile: string
  cert: string
  key: string
}

export interface Certificates extends Disposable {
  caFile: string
  ca: string
  /** For 127.0.0.1 and localhost. */
  server: Certificate
  /** For elsewhere.example alone. */
  misnamed: Certificate
  expired: Certificate
  client: Certificate
}

/** Makes them in a directory that disposing removes. */
export async function makeCertificates(): Promise<Certificates> {
  const directory = mkdtempSync(join(tmpdir(), 'otesse-test-certificates-'))
  chmodSync(directory, 0o755)
  const openssl = getBinary('openssl', 'openssl')
  const at = (name: string): string => join(directory, name)
  const tool = (...args: string[]): Promise<unknown> => run(openssl, args, { cwd: directory })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await tool(
    ...['req', '-x509', ...newKey, '-days', '2', '-subj', '/CN=Test authority'],
    ...['-keyout', 'ca.key', '-out', 'ca.crt'],
  )
  async function issue(name: string, altNames: string, days = '2'): Promise<Certificate> {
    await tool(
      ...['req', ...newKey, '-subj', `/CN=${name}`],
      ...['-keyout', `${name}.key`, '-out', `${name}.csr`],
    )
    writeFileSync(at(`${name}.ext`), `subjectAltName=${altNames}\n`)
    await tool(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key'],
      ...['-CAcreateserial', '-CAserial', `${name}.srl`],
      ...['-days', days, '-extfile', `${name}.ext`, '-out', `${name}.crt`],
    )
    // Servers of other users read it.
    chmodSync(at(`${name}.key`), 0o644)
    return {
      certFile: at(`${name}.crt`),
      keyFile: at(`${name}.key`),
      cert: readFileSync(at(`${name}.crt`), 'utf8'),
      key: readFileSync(at(`${name}.key`), 'utf8'),
    }
  }
  const here = 'IP:127.0.0.1,DNS:localhost'
  const [server, misnamed, expired, client] = await Promise.all([
    issue('server', here),
    issue('misnamed', 'DNS:elsewhere.example'),
    issue('expired', here, '-1'),
    issue('client', 'DNS:client.example'),
  ])
  return {
    caFile: at('ca.crt'),
    ca: readFileSync(at('ca.crt'), 'utf8'),
    server,
    misnamed,
    expired,
    client,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}
