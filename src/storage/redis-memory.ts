// How full Redis is, so that what anybody can cause is refused before memory ends and every write
// with it. Invariant: nobody waits for the answer; Redis is asked once a second at the most, and
// only while somebody wants to know.
import type { Redis } from 'ioredis'
import { SECOND } from '../shared/clock.ts'
import { mastersOf } from './redis-connections.ts'
import { fieldsOf } from './redis-info.ts'
import type { RedisClient } from './redis.ts'

/** Tells whether memory is nearly used up, as of about a second ago. */
export interface MemoryWatch {
  isNearlyFull(): boolean
}

/** The same for stores that have no bound of their own. */
export const UNBOUNDED: MemoryWatch = { isNearlyFull: () => false }

const MAX_AGE_MILLIS = SECOND

/**
 * Watches the memory of Redis; of a Cluster the fullest node counts.
 *
 * @param percent of `maxmemory`; a Redis without that bound is never nearly full
 */
export function watchRedisMemory(client: RedisClient, percent: number): MemoryWatch {
  let isNearlyFull = false
  let isAsking = false
  let askedAt = Number.NEGATIVE_INFINITY

  async function ask(): Promise<void> {
    const nodes = mastersOf(client)
    const shares = await Promise.all(nodes.map(usedShare))
    isNearlyFull = Math.max(0, ...shares) * 100 >= percent
  }

  return {
    isNearlyFull() {
      const now = performance.now()
      if (!isAsking && now - askedAt >= MAX_AGE_MILLIS) {
        isAsking = true
        askedAt = now
        // Redis that does not answer, or forbids to ask, decides nothing here: it refuses by
        // itself.
        void ask()
          .catch(() => undefined)
          .finally(() => (isAsking = false))
      }
      return isNearlyFull
    },
  }
}

/** Returns the used share of `maxmemory`; 0 where there is no such bound. */
async function usedShare(node: Redis): Promise<number> {
  const { usedMemory, maxMemory } = fieldsOf(await node.info('memory'))
  return maxMemory === 0 ? 0 : usedMemory / maxMemory
}
