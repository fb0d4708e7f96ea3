// Which servers are behind a client, and when another one may be answering: after each connection
// that was lost. On a Cluster that is any connection to any of its nodes.
import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './redis.ts'

/** Hears of connections. */
export interface ConnectionListener {
  /** Before anything is asked, or asked again, on another connection. */
  onLost: () => void
  onReady: () => void
}

/** Returns whether keys may be on different servers. */
export const isCluster = (client: RedisClient): client is Cluster => client instanceof Cluster

/** Returns the servers that take writes; of a Cluster that is not connected none is known. */
export const mastersOf = (client: RedisClient): Redis[] =>
  isCluster(client) ? client.nodes('master') : [client]

/** Starts to tell the listener, for as long as the client lives. */
export function watchConnections(client: RedisClient, listener: ConnectionListener): void {
  const watch = (one: Redis | Cluster): void => {
    one.on('close', listener.onLost)
    one.on('ready', listener.onReady)
  }
  watch(client)
  if (!isCluster(client)) return
  for (const node of client.nodes()) watch(node)
  client.on('+node', watch)
}
