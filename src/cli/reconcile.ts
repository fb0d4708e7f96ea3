// What `otesse stores reconcile` does, over stores that no server may serve from yet.
import type { Config } from '../config/config.ts'
import { openConfiguredDatabase, openConfiguredRedis, StartRefused } from '../open-stores.ts'
import { endLostGrants } from '../grants/lost-grants.ts'
import { walkGrants } from '../grants/redis-grants-walk.ts'
import type { Ending } from '../revocations/ended.store.ts'
import { createReconcileStore } from '../revocations/reconcile.store.ts'
import { createRedisFence } from '../revocations/redis-fence.ts'
import { openRedisRevocationLog } from '../revocations/redis-revocation-log.ts'
import { type Clock, dateNow, HOUR } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import { countListeners } from '../storage/invalidation.ts'
import type { RedisClient } from '../storage/redis.ts'

/** What was done. */
export interface Reconciled {
  /** The latest moment of which the database knows anything. */
  knownUntil: Date
  /** How many authorizations of later than that end. */
  ended: number
}

/**
 * Makes Postgres and Redis one again after a backup of Postgres was restored.
 *
 * @param options.isEverything end all that was given before
 * @throws {StartRefused} where a server runs
 */
export async function reconcileStores(
  { stores }: Config,
  options: { isEverything: boolean; clock: Clock; logger: Logger },
): Promise<Reconciled> {
  const { isEverything, clock, logger } = options
  const database = await openConfiguredDatabase({ stores }, logger, { queryTimeoutMillis: HOUR })
  await using _database = database
  const store = createReconcileStore(database.db)
  const knownUntil = await store.knownUntil()
  const at = dateNow(clock)
  if (stores.kind === 'embedded') {
    await store.reconcile({ known: 0, endings: [], isEverything, at })
    return { knownUntil: new Date(knownUntil), ended: 0 }
  }
  const { prefix } = stores.redis
  const client = openConfiguredRedis(stores.redis, logger)
  try {
    if ((await countListeners(client, prefix)) > 0)
      throw new StartRefused('A server still runs on these stores: stop all of them first.')
    const { known } = await createRedisFence(client, prefix).read()
    const endings = isEverything ? [] : await lostGrants(client, prefix, knownUntil, clock)
    await store.reconcile({ known, endings, isEverything, at })
    await using log = openRedisRevocationLog(client, prefix, { logger })
    await log.append({ kind: 'all', key: '' })
    return { knownUntil: new Date(knownUntil), ended: endings.length }
  } finally {
    client.disconnect()
  }
}

async function lostGrants(
  client: RedisClient,
  prefix: string,
  knownUntil: number,
  clock: Clock,
): Promise<Ending[]> {
  const endings = new Map<string, Ending>()
  for await (const batch of walkGrants(client, prefix))
    for (const ending of endLostGrants(batch, knownUntil, clock()))
      endings.set(ending.family, ending)
  return [...endings.values()]
}
