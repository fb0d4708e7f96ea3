// Reads where Postgres is from a URL as libpq's users write it (PostgreSQL 16 §34.1.1.2), and makes
// of it what node-postgres needs. Invariant: nothing of a URL is passed over, and sslmode means
// what it means in libpq.
import { readFileSync } from 'node:fs'
import type { ConnectionOptions as TlsOptions } from 'node:tls'

/** One server that may be asked. */
export interface PostgresHost {
  /** A name, an address, or the directory of a socket. */
  host: string
  port: number
}

/** What a URL says. */
export interface PostgresLocation {
  /** Tried in their order. */
  hosts: readonly [PostgresHost, ...PostgresHost[]]
  /** A server that takes no writes is passed over. */
  wantsPrimary: boolean
  user?: string
  password?: string
  database?: string
  /** Undefined leaves it to PGSSLMODE. */
  ssl?: false | TlsOptions
  /** Ties the login to the TLS connection where the server can. */
  bindsChannel: boolean
  /** Goes on without TLS where the server has none (sslmode=prefer). */
  mayDoWithoutTls: boolean
  options?: string
  applicationName?: string
}

const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify']
const SESSION_ATTRS = ['any', 'read-write', 'primary', 'prefer-standby']
// What libpq or other clients read and nothing here depends on.
const IGNORED = new Set(
  'client_encoding connect_timeout fallback_application_name gssencmode keepalives keepalives_count keepalives_idle keepalives_interval load_balance_hosts pgbouncer sslcompression sslsni tcp_user_timeout uselibpqcompat'.split(
    ' ',
  ),
)
const READ = new Set(
  'host port user password dbname sslmode ssl sslrootcert sslcert sslkey channel_binding options application_name target_session_attrs'.split(
    ' ',
  ),
)
const FORM = 'write postgres://user:password@host:port/database'
const ENCODED = 'percent-encode what is special in user and password (@ is %40, / is %2F, % is %25)'

/**
 * Reads `postgres://[user[:password]@][host[:port],…][/database][?parameter=value&…]`.
 *
 * @throws {Error} with a sentence for the person who wrote the URL
 */
export function parsePostgresUrl(
  text: string,
  readFile: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): PostgresLocation {
  const match =
    /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^/?#]*))?(?:\?([^#]*))?$/.exec(text)
  if (match === null) throw new Error(`${FORM}; ${ENCODED}`)
  const [, login = '', hosts = '', path = '', query = ''] = match
  const parameters = parametersOf(query)
  const [user = '', ...secret] = login.split(':')
  const from = (name: string, part: string): string => parameters.get(name) ?? decoded(part)
  const location = {
    user: from('user', user),
    password: from('password', secret.join(':')),
    database: from('dbname', path),
    options: parameters.get('options') ?? '',
    applicationName: parameters.get('application_name') ?? '',
  }
  const attrs = oneOf(parameters, 'target_session_attrs', SESSION_ATTRS) ?? 'any'
  const sslmode = sslModeOf(parameters)
  const ssl = tlsOf(sslmode, parameters, readFile)
  return {
    ...Object.fromEntries(Object.entries(location).filter(([, value]) => value !== '')),
    hosts: hostsOf(parameters.get('host') ?? hosts, parameters.get('port') ?? ''),
    wantsPrimary: attrs === 'read-write' || attrs === 'primary',
    bindsChannel: (parameters.get('channel_binding') ?? 'disable') !== 'disable',
    mayDoWithoutTls: sslmode === 'prefer',
    ...(ssl === undefined ? {} : { ssl }),
  }
}

function parametersOf(query: string): Map<string, string> {
  const parameters = new Map<string, string>()
  for (const item of query.split('&').filter(Boolean)) {
    const [name = '', ...value] = item.split('=')
    if (!READ.has(name) && !IGNORED.has(name))
      throw new Error(
        `?${name.slice(0, 40)}= is not read by this server: leave it out (PGPASSFILE and PGSSLMODE are read from the environment)`,
      )
    // As libpq does, and other than in forms: a plus is a plus.
    parameters.set(name, decoded(value.join('=')))
  }
  return parameters
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error(ENCODED)
  }
}

function oneOf(
  parameters: ReadonlyMap<string, string>,
  name: string,
  values: readonly string[],
): string | undefined {
  const value = parameters.get(name)
  if (value !== undefined && !values.includes(value))
    throw new Error(`${name} is one of ${values.join(', ')}`)
  return value
}

function hostsOf(hosts: string, ports: string): [PostgresHost, ...PostgresHost[]] {
  const portList = ports.split(',')
  const [first, ...others] = hosts.split(',').map((item, at): PostgresHost => {
    const host = decoded(item)
    const given = portList[at] ?? portList[0] ?? ''
    if (host.startsWith('/')) return { host, port: portOf(given) }
    const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(host)
    if (match === null) throw new Error(`${FORM}; an IPv6 address is in brackets`)
    const name = match[1] ?? match[2] ?? ''
    return { host: name === '' ? 'localhost' : name, port: portOf(match[3] ?? given) }
  })
  // A text that is split has one part at least.
  return [first ?? { host: 'localhost', port: 5432 }, ...others]
}

function portOf(text: string): number {
  const port = text === '' ? 5432 : Number(text)
  if (!(Number.isInteger(port) && port > 0 && port <= 65_535))
    throw new Error('a port is a number from 1 to 65535')
  return port
}

function sslModeOf(parameters: ReadonlyMap<string, string>): string | undefined {
  const mode = oneOf(parameters, 'sslmode', SSL_MODES)
  // What JDBC and some hosters write.
  const ssl = oneOf(parameters, 'ssl', ['true', 'false', '1', '0'])
  if (mode !== undefined) return mode
  if (parameters.get('sslrootcert') === 'system') return 'verify-full'
  if (ssl === undefined) return parameters.has('sslrootcert') ? 'verify-ca' : undefined
  return ssl === 'true' || ssl === '1' ? 'verify-full' : 'disable'
}

/** PostgreSQL 16 §34.19.3: what each sslmode protects against. */
function tlsOf(
  mode: string | undefined,
  parameters: ReadonlyMap<string, string>,
  readFile: (path: string) => string,
): false | TlsOptions | undefined {
  const read = (name: string): string | undefined => {
    const path = parameters.get(name)
    if (path === undefined || path === '') return undefined
    if (name === 'sslrootcert' && path === 'system') return undefined
    try {
      return readFile(path)
    } catch (error) {
      const { code = 'unreadable' } = error as NodeJS.ErrnoException
      throw new Error(`${name} names a file that cannot be read (${path}: ${code})`)
    }
  }
  const [ca, cert, key] = [read('sslrootcert'), read('sslcert'), read('sslkey')]
  if ((cert === undefined) !== (key === undefined))
    throw new Error('sslcert and sslkey belong together: set both, or neither')
  if (mode === undefined) return undefined
  if (mode === 'disable') return false
  const files = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert, key }),
  }
  if (mode === 'verify-full') return files
  // As in libpq, "require" with an authority is "verify-ca".
  if (mode === 'verify-ca' || (mode === 'require' && ca !== undefined)) {
    if (ca === undefined) throw new Error('sslmode=verify-ca needs sslrootcert=/path/of/ca.pem')
    return { ...files, checkServerIdentity: () => undefined }
  }
  return { ...files, rejectUnauthorized: false }
}
