// Reads where Redis is: one server, a Sentinel set or a Cluster, told apart by the URL's scheme.
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

/** Where Redis is; see parseRedisUrl for how it is written. */
export type RedisLocation =
  | { kind: 'single'; url: string }
  | {
      kind: 'sentinel'
      sentinels: { host: string; port: number }[]
      master: string
      options: ConnectionOptions
      login: SentinelLogin
    }
  | { kind: 'cluster'; nodes: { host: string; port: number }[]; options: ConnectionOptions }

const hostsOf = (list: string, defaultPort: number): { host: string; port: number }[] =>
  list.split(',').map((item) => {
    const url = new URL(`redis://${item}`)
    return { host: url.hostname, port: url.port === '' ? defaultPort : Number(url.port) }
  })

/**
 * Reads where Redis is.
 *
 * `redis://` and `rediss://` name one server;
 * `redis-sentinel://[user:password@]host:port,host:port/master[/number]` a Sentinel set;
 * `redis-cluster://[user:password@]host:port,host:port` a Cluster (`rediss-sentinel`,
 * `rediss-cluster` with TLS, which is for the sentinels as
 * well). The sentinels get the same login as the master, unless the URL ends in
 * `?sentinelUsername=…&sentinelPassword=…`; an empty
 * `sentinelPassword` means that they want none.
 *
 * @throws {Error} with a sentence for the person who wrote the URL
 */
export function parseRedisUrl(text: string): RedisLocation {
  const match =
    /^(redis|rediss)(?:-(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(
      text,
    )
  if (match === null)
    throw new Error(
      'write redis://host:port, redis-sentinel://host:port,host:port/master or redis-cluster://host:port,host:port',
    )
  const [, scheme, kind, login = '', hosts = '', path = '', query = ''] = match
  if (kind === undefined) return { kind: 'single', url: text }
  if (kind === 'cluster' && query !== '') throw new Error('a Cluster URL takes no ?parameters')
  const colon = login.indexOf(':')
  const options: ConnectionOptions = {
    ...(scheme === 'rediss' ? { tls: {} } : {}),
    ...(colon > 0 ? { username: decodeURIComponent(login.slice(0, colon)) } : {}),
    ...(login === '' ? {} : { password: decodeURIComponent(login.slice(colon + 1)) }),
  }
  if (kind === 'cluster') return { kind, nodes: hostsOf(hosts, 6379), options }
  if (path === '')
    throw new Error(
      'a Sentinel URL ends in the name of the master: redis-sentinel://host:port/mymaster',
    )
  const [master = '', number] = path.split('/')
  if (number !== undefined && !/^\d{1,5}$/.test(number))
    throw new Error('after the name of the master comes the number of the database, or nothing')
  return {
    kind: 'sentinel',
    sentinels: hostsOf(hosts, 26_379),
    master,
    options: { ...options, ...(number === undefined ? {} : { db: Number(number) }) },
    login: sentinelLogin(options, new URLSearchParams(query)),
  }
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
