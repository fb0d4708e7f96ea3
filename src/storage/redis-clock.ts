// What the clocks of Redis show. A commit carries a deadline in the time of the Redis that carries
// it out, so this process must know that time without asking. Invariant: the estimate is never
// ahead of the clock that it estimates, so that a deadline made of it is early rather than late.
import type { Redis } from 'ioredis'
import { systemClock } from '../shared/clock.ts'
import { isCluster, mastersOf } from './redis-connections.ts'
import type { RedisClient } from './redis.ts'

/**
 * How long after its call a commit may still be carried out. The caller waits half a second longer
 * for the answer (redis.ts): so long an answer may be on its way, and so far may clocks go apart
 * that take over from one another.
 */
export const COMMIT_PATIENCE_MILLIS = 1000

// Quartz drifts by some 4 ms in that time.
const MEASURE_EVERY_MILLIS = 60_000
// The quickest of them tells most: what an answer took on its way back is missing in the estimate.
const SAMPLES = 3

/** Estimates the time of Redis. */
export interface RedisClock extends Disposable {
  /**
   * Returns what is to be added to a moment of `performance.now()`: milliseconds since the epoch,
   * on the clock that is furthest behind where there are several. Asks Redis the first time only.
   *
   * @throws whatever ioredis throws where Redis does not answer
   */
  offset(): number | Promise<number>
  /** By how much it is ahead of this machine's clock; 0 where it was not measured yet. */
  skewMillis(): number
  /** Takes in what Redis just showed, because the estimate was wrong: a clock was set. */
  correct(shownMillis: number): void
}

/** Creates the clock; it measures whenever a connection is ready, and now and then. */
export function createRedisClock(client: RedisClient): RedisClock {
  const offsets = new Map<RedisClient, number>()
  let earliest: number | undefined
  // Shared by all who come before it is known.
  let first: Promise<number> | undefined

  function know(node: RedisClient, offset: number | undefined): void {
    if (offset === undefined) offsets.delete(node)
    else offsets.set(node, offset)
    earliest = offsets.size === 0 ? undefined : Math.min(...offsets.values())
  }

  async function measure(node: RedisClient): Promise<void> {
    let best = -Infinity
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const [seconds, micros] = await node.time()
      best = Math.max(best, Number(seconds) * 1000 + Number(micros) / 1000 - performance.now())
    }
    know(node, best)
  }

  /** Where Redis does not answer, what was known before stays. */
  async function measureAll(): Promise<void> {
    await Promise.allSettled(mastersOf(client).map(measure))
  }

  async function measureFirst(): Promise<number> {
    // A Cluster knows its nodes when one of them has answered.
    if (isCluster(client)) await client.time()
    await Promise.all(mastersOf(client).map(measure))
    return earliest ?? measureFirst()
  }

  const follow = (node: Redis): void => {
    node.on('ready', () => void measure(node).catch(() => undefined))
  }
  if (isCluster(client)) {
    client.nodes('all').forEach(follow)
    client.on('+node', follow)
    client.on('-node', (node: Redis) => know(node, undefined))
  } else follow(client)
  if (client.status === 'ready') void measureAll()
  const timer = setInterval(() => void measureAll(), MEASURE_EVERY_MILLIS).unref()

  return {
    offset: () => earliest ?? (first ??= measureFirst().finally(() => (first = undefined))),
    skewMillis: () => (earliest === undefined ? 0 : earliest + performance.now() - systemClock()),
    correct(shownMillis) {
      if (isCluster(client)) void measureAll()
      else know(client, shownMillis - performance.now())
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
