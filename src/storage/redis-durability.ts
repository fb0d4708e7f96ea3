// What a Redis keeps of what it has acknowledged.
import { Cluster } from 'ioredis'
import { causeCode } from './redis-replies.ts'
import { type RedisClient, withRedis } from './redis.ts'

/**
 * Returns whether a server that is started again knows all that it had acknowledged. Where another
 * one may take over from it, that says nothing.
 *
 * @throws {AppError} `temporarily_unavailable`
 */
export async function losesNothingAtRestart(client: RedisClient): Promise<boolean> {
  if (client instanceof Cluster || client.options.sentinels) return false
  try {
    const answer = await withRedis(() => client.config('GET', 'append*'))
    const valueOf = (name: string) => answer[answer.indexOf(name) + 1]
    return valueOf('appendonly') === 'yes' && valueOf('appendfsync') === 'always'
  } catch (error) {
    // Hosted Redis often forbids CONFIG.
    if (['ERR', 'NOPERM'].includes(causeCode(error) ?? '')) return false
    throw error
  }
}
