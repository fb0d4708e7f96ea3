// Walks past every grant that Redis holds, for what no index tells. Slow and complete: what is
// there from the beginning to the end of the walk is seen, perhaps twice.
import { mastersOf } from '../storage/redis-connections.ts'
import { type RedisClient, withRedis } from '../storage/redis.ts'
import { type Grant, GRANT, parseRecord } from './grant.ts'

const AT_ONCE = 1000

/**
 * Yields the grants in batches.
 *
 * @throws {AppError} `temporarily_unavailable`
 */
export async function* walkGrants(client: RedisClient, keyPrefix: string): AsyncGenerator<Grant[]> {
  const pattern = `${keyPrefix.replace(/[*?[\]\\^]/g, String.raw`\$&`)}{*}:${GRANT}`
  for (const node of mastersOf(client)) {
    let cursor = '0'
    do {
      const [next, keys] = await withRedis(() =>
        node.scan(cursor, 'MATCH', pattern, 'COUNT', AT_ONCE),
      )
      cursor = next
      const texts = await Promise.all(keys.map((key) => withRedis(() => client.get(key))))
      yield texts.flatMap((text) => (text === null ? [] : parseRecord<Grant>(text)))
    } while (cursor !== '0')
  }
}
