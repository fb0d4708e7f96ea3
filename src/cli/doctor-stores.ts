// Compares Redis with the database: which of the two is older.
import type { Config } from '../config/config.ts'
import { openConfiguredDatabase } from '../open-stores.ts'
import { createEndedStore } from '../revocations/ended.store.ts'
import { createRedisFence } from '../revocations/redis-fence.ts'
import type { Logger } from '../shared/logger.ts'
import type { RedisClient } from '../storage/redis.ts'
import type { Finding } from './finding.ts'

/** Says whether Redis knows of revocations that the database does not, or the other way round. */
export async function compareStores(
  config: Config,
  redis: { client: RedisClient; prefix: string },
  logger: Logger,
): Promise<Finding> {
  const check = 'stores'
  // Redis first: what is revoked meanwhile is in the database before Redis hears of it.
  const known = await createRedisFence(redis.client, redis.prefix).peek()
  await using opened = await openConfiguredDatabase(config, logger)
  const last = await createEndedStore(opened.db).lastForCertain()
  if (known > last)
    return {
      check,
      status: 'fail',
      sentence: `The database is older than Redis (its last revocation is number ${last}, that of Redis ${known}): it was restored, or lost its last writes. Stop all servers and run: otesse stores reconcile`,
    }
  if (known < last)
    return {
      check,
      status: 'ok',
      sentence: `Redis does not know ${last - known} of the revocations in the database. A server applies them again before it answers.`,
    }
  return { check, status: 'ok', sentence: 'Redis knows every revocation in the database.' }
}
