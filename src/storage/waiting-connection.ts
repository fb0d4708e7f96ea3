// A connection of one's own for commands that wait (XREAD BLOCK): on a shared one everybody else
// would wait along.
import { Cluster } from 'ioredis'
import { keepUsable, type RedisClient } from './redis.ts'

// How much longer than the wait an answer may take before the connection counts as dead.
const PATIENCE_MILLIS = 1500

/**
 * Opens another connection to the same Redis; the caller closes it.
 *
 * @param waitMillis how long its commands wait at the most
 */
export function openWaitingConnection(client: RedisClient, waitMillis: number): RedisClient {
  const longest = waitMillis + PATIENCE_MILLIS
  const own = { commandTimeout: longest, socketTimeout: longest, enableAutoPipelining: false }
  if (client instanceof Cluster)
    return client.duplicate([], {
      enableAutoPipelining: false,
      // As when it was opened (redis.ts): the option that gets in the way of the type is never set.
      redisOptions: { ...(client.options.redisOptions as object), ...own },
    })
  const connection = client.duplicate(own)
  keepUsable(connection)
  return connection
}
