// What is done to the indexes of Redis beside commits: raising many ends at once, counting, looking
// ends up. Called by the Redis store.
import { type RedisClient, withRedis } from '../storage/redis.ts'
import type { IndexStore } from './family-store.ts'

/**
 * Creates it.
 *
 * @param slackMillis how long members stay after their end
 */
export function createRedisIndexes(
  client: RedisClient,
  recordKey: (key: string) => string,
  slackMillis: number,
): Pick<IndexStore, 'raiseInIndex' | 'countIndex' | 'endsInIndex'> {
  return {
    async raiseInIndex(index, places, { nowMillis, onlyListed = false }) {
      if (places.length === 0) return
      const key = recordKey(index)
      const last = Math.max(...places.map(({ endsAtMillis }) => endsAtMillis))
      const pairs = places.flatMap(({ endsAtMillis, member }) => [endsAtMillis, member])
      await withRedis(async () => {
        const ended = nowMillis - slackMillis
        const pipeline = client.pipeline().zremrangebyscore(key, '-inf', ended)
        if (onlyListed) pipeline.zadd(key, 'XX', 'GT', ...pairs)
        else pipeline.zadd(key, 'GT', ...pairs)
        const results = await pipeline
          .pexpireat(key, last + slackMillis, 'NX')
          .pexpireat(key, last + slackMillis, 'GT')
          .exec()
        for (const [error] of results ?? []) if (error !== null) throw error
      })
    },
    countIndex: (index, nowMillis) =>
      withRedis(() => client.zcount(recordKey(index), `(${nowMillis}`, '+inf')),
    async endsInIndex(index, members) {
      if (members.length === 0) return []
      const ends = await withRedis(() => client.zmscore(recordKey(index), ...members))
      return ends.map((end) => (end === null ? undefined : Number(end)))
    },
  }
}
