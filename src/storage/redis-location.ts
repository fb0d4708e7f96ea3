// Reads where Redis is: one server, a Sentinel set or a Cluster, told apart by the URL's scheme.
// Invariant: nothing of a URL is passed over, and every half of a connection gets its TLS.
import type { RedisOptions } from 'ioredis'

// Left out, because its type does not survive exactOptionalPropertyTypes.
export type ConnectionOptions = Omit<RedisOptions, 'replyMapping'>

/** How to log in to the sentinels themselves. */
export interface SentinelLogin {
  sentinelUsername?: string
  sentinelPassword?: string
  sentinelTLS?: object
  enableTLSForSentinelMode?: boolean
}

interface HostAndPort {
  host: string
  port: number
}

/** What TLS needs beyond what the system knows; texts in PEM. */
export interface RedisTls {
  ca?: string
  cert?: string
  key?: string
  /** The name that the certificate must carry. */
  servername?: string
}

/** Where Redis is; see parseRedisUrl for how it is written. */
export type RedisLocation =
  | { kind: 'single'; options: ConnectionOptions }
  | {
      kind: 'sentinel'
      sentinels: HostAndPort[]
      master: string
      options: ConnectionOptions
      login: SentinelLogin
    }
  | { kind: 'cluster'; nodes: HostAndPort[]; options: ConnectionOptions }

const FORMS =
  'write redis://host:port, redis-sentinel://host:port,host:port/master or redis-cluster://host:port,host:port'
const ENCODED =
  'write @ : / ? # and % of user and password percent-encoded (%40 %3A %2F %3F %23 %25)'

/**
 * Reads where Redis is.
 *
 * `redis://[user:password@]host:port[/number]` names one server;
 * `redis-sentinel://[user:password@]host:port,host:port/master[/number]` a Sentinel set;
 * `redis-cluster://[user:password@]host:port,host:port` a Cluster (`rediss`, `rediss-sentinel`,
 * `rediss-cluster` with TLS, which is for the sentinels as well). The sentinels get the same login
 * as the master, unless the URL ends in `?sentinelUsername=…&sentinelPassword=…`; an empty
 * `sentinelPassword` means that they want none.
 *
 * @throws {Error} with a sentence for the person who wrote the URL
 */
export function parseRedisUrl(text: string, tls: RedisTls = {}): RedisLocation {
  const match =
    /^(redis|rediss)(?:-(sentinel|cluster))?:\/\/(?:([^/?#]*)@)?([^/?#@]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(
      text,
    )
  if (match === null) throw new Error(FORMS)
  const [, scheme, kind, login = '', hosts = '', path = '', query = ''] = match
  if (kind !== 'sentinel' && query !== '')
    throw new Error(`a ${kind === undefined ? 'Redis' : 'Cluster'} URL takes no ?parameters`)
  const options: ConnectionOptions = {
    ...(scheme === 'rediss' ? { tls: { ...tls } } : {}),
    ...loginOf(login),
  }
  if (kind === 'cluster') {
    if (path !== '' && path !== '0') throw new Error('a Cluster has no numbered databases')
    return { kind, nodes: hostsOf(hosts, 6379), options }
  }
  if (kind === undefined) {
    const [host, ...others] = hostsOf(hosts, 6379)
    if (others.length > 0)
      throw new Error(
        'redis:// names one server: several are a Sentinel set (redis-sentinel://) or a Cluster (redis-cluster://)',
      )
    return { kind: 'single', options: { ...host, ...options, ...databaseOf(path) } }
  }
  if (path === '')
    throw new Error(
      'a Sentinel URL ends in the name of the master: redis-sentinel://host:port/mymaster',
    )
  const [master = '', number = ''] = path.split('/')
  return {
    kind: 'sentinel',
    sentinels: hostsOf(hosts, 26_379),
    master: decoded(master),
    options: { ...options, ...databaseOf(number) },
    login: sentinelLogin(options, new URLSearchParams(query)),
  }
}

function hostsOf(list: string, defaultPort: number): HostAndPort[] {
  return list.split(',').map((item) => {
    const url = URL.parse(`redis://${item}`)
    if (url === null || url.hostname === '') throw new Error(`${FORMS}; ${ENCODED}`)
    return {
      // An IPv6 address is in brackets in URLs, and nowhere else.
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port === '' ? defaultPort : Number(url.port),
    }
  })
}

function loginOf(login: string): ConnectionOptions {
  const colon = login.indexOf(':')
  return {
    ...(colon > 0 ? { username: decoded(login.slice(0, colon)) } : {}),
    ...(login === '' ? {} : { password: decoded(login.slice(colon + 1)) }),
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error(ENCODED)
  }
}

function databaseOf(number: string): ConnectionOptions {
  if (number === '') return {}
  if (!/^\d{1,5}$/.test(number))
    throw new Error('the URL ends in the number of a database, such as /2, or in nothing')
  return number === '0' ? {} : { db: Number(number) }
}

function sentinelLogin(master: ConnectionOptions, query: URLSearchParams): SentinelLogin {
  for (const name of query.keys())
    if (name !== 'sentinelUsername' && name !== 'sentinelPassword')
      throw new Error('a Sentinel URL takes ?sentinelUsername= and ?sentinelPassword= only')
  const tls =
    master.tls === undefined ? {} : { sentinelTLS: master.tls, enableTLSForSentinelMode: true }
  const isOwn = query.has('sentinelPassword')
  const password = isOwn ? query.get('sentinelPassword') : master.password
  const username = isOwn ? query.get('sentinelUsername') : master.username
  return {
    ...tls,
    ...(username ? { sentinelUsername: username } : {}),
    ...(password ? { sentinelPassword: password } : {}),
  }
}
