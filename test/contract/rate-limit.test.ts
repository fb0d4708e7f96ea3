// The limits over a real Redis: several limiters with connections of their own stand for several
// processes.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { type Cluster } from 'ioredis'
import {
  createRateLimiter,
  FLUSH_INTERVAL_MILLIS,
  type RateLimiter,
} from '../../src/http/rate-limit.ts'
import { newTryId } from '../../src/http/strict-limit.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { createLogger } from '../../src/shared/logger.ts'
import { parseRedisUrl } from '../../src/storage/redis-location.ts'
import { openRedis } from '../../src/storage/redis.ts'
import { startRedis } from '../support/backends.ts'

const logger = createLogger('silent')
const sharedUrl = process.env['OTESSE_TEST_REDIS_URL']!
const clusterUrl = `redis-cluster://${process.env['OTESSE_TEST_REDIS_CLUSTER_NODES']!}`
const newPrefix = (): string => `test-${randomBytes(6).toString('hex')}:`

interface Process extends AsyncDisposable {
  limiter: RateLimiter
  redis: Redis | Cluster
}

/** A limiter with a connection of its own, as each server process has. */
async function openProcess(url: string, keyPrefix: string): Promise<Process> {
  const redis = openRedis(parseRedisUrl(url), logger)
  await redis.ping()
  const limiter = createRateLimiter({ redis, keyPrefix, clock: systemClock, logger })
  return {
    limiter,
    redis,
    async [Symbol.asyncDispose]() {
      await limiter.flush()
      redis.disconnect()
    },
  }
}

async function waitUntil(check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5000
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error('waited 5 s in vain')
    await sleep(20)
  }
}

const isAllowed = ({ allowed }: { allowed: boolean }): boolean => allowed

describe.each([
  ['Redis', () => sharedUrl],
  ['Redis Cluster', () => clusterUrl],
])('a batched limit on %s', (_name, url) => {
  it('is one limit for all processes', async () => {
    const prefix = newPrefix()
    await using first = await openProcess(url(), prefix)
    await using second = await openProcess(url(), prefix)
    const size = { points: 100, seconds: 60 }
    const here = first.limiter.createBatchedLimit('token', size)
    const there = second.limiter.createBatchedLimit('token', size)
    for (let at = 0; at < 100; at += 1) expect(here.hit('app').allowed).toBe(true)
    await first.limiter.flush()
    // A timer that runs for another key must not keep this one waiting.
    there.hit('busy')
    await second.limiter.flush()
    there.hit('busy')
    // The first hit cannot know yet; it asks at once.
    const askedAt = performance.now()
    expect(there.hit('app').allowed).toBe(true)
    await waitUntil(() => !there.hit('app').allowed)
    // Well below a window; how quick it really is depends on the machine.
    expect(performance.now() - askedAt).toBeLessThan(2000)
    const refused = there.hit('app')
    if (refused.allowed) throw new Error('it was refused just now')
    expect(refused.retryAfterSeconds).toBeGreaterThan(50)
    expect(refused.retryAfterSeconds).toBeLessThanOrEqual(60)
  })
})

describe('a batched limit', () => {
  it('is exceeded by two busy processes by no more than arrives while one settles', async () => {
    const prefix = newPrefix()
    await using first = await openProcess(sharedUrl, prefix)
    await using second = await openProcess(sharedUrl, prefix)
    const points = 1000
    const limits = [first, second].map(({ limiter }) =>
      limiter.createBatchedLimit('token', { points, seconds: 60 }),
    )
    const hitsPerMillisecond = 1
    const allowed: number[] = []
    const startedAt = performance.now()
    let hits = 0
    let longestPause = 0
    let resumedAt = startedAt
    while (performance.now() - startedAt < 1500) {
      longestPause = Math.max(longestPause, performance.now() - resumedAt)
      for (; hits < (performance.now() - startedAt) * hitsPerMillisecond; hits += 1)
        for (const limit of limits) if (limit.hit('app').allowed) allowed.push(performance.now())
      resumedAt = performance.now()
      await sleep(2)
    }
    // What both let through in the last interval before the end, with a round trip and the timer's
    // delay.
    const slack = (FLUSH_INTERVAL_MILLIS + 100 + longestPause) * hitsPerMillisecond * limits.length
    expect(hits).toBeGreaterThan(points)
    expect(allowed.length).toBeGreaterThanOrEqual(points)
    expect(allowed.length).toBeLessThanOrEqual(points + slack)
    expect(limits.flatMap((limit) => limit.hit('app')).some(isAllowed)).toBe(false)
  })

  it('begins again with the window of Redis', async () => {
    await using process = await openProcess(sharedUrl, newPrefix())
    const limit = process.limiter.createBatchedLimit('token', { points: 5, seconds: 1 })
    const burst = (): number =>
      [1, 2, 3, 4, 5, 6, 7].map(() => limit.hit('app')).filter(isAllowed).length
    expect(burst()).toBe(5)
    await sleep(500)
    expect(burst()).toBe(0)
    await sleep(700)
    expect(burst()).toBe(5)
  })

  it('asks Redis a few times a second, whatever the load, and not at all for refused hits', async () => {
    await using server = await startRedis()
    await using process = await openProcess(server.url, newPrefix())
    await using observer = await openProcess(server.url, newPrefix())
    const countScripts = async (): Promise<number> => {
      const info = await observer.redis.info('commandstats')
      const calls = [...info.matchAll(/cmdstat_(?:evalsha|eval):calls=(\d+)/g)]
      return calls.reduce((sum, [, count]) => sum + Number(count), 0)
    }
    const limit = process.limiter.createBatchedLimit('token', { points: 100_000, seconds: 60 })
    const startedAt = performance.now()
    while (performance.now() - startedAt < 1000) {
      for (let at = 0; at < 50; at += 1) limit.hit('app')
      // Other keys that come for the first time must not hurry this one.
      limit.hit(`visitor ${performance.now()}`)
      await sleep(5)
    }
    await process.limiter.flush()
    const keys = await observer.redis.dbsize()
    const settled = (await countScripts()) - (keys - 1)
    expect(keys).toBeGreaterThan(20)
    expect(settled).toBeGreaterThanOrEqual(4)
    expect(settled).toBeLessThanOrEqual(1000 / FLUSH_INTERVAL_MILLIS + 4)

    const small = process.limiter.createBatchedLimit('small', { points: 10, seconds: 60 })
    for (let at = 0; at < 10; at += 1) small.hit('app')
    await process.limiter.flush()
    const before = await countScripts()
    for (let at = 0; at < 10_000; at += 1) expect(small.hit('app').allowed).toBe(false)
    await sleep(FLUSH_INTERVAL_MILLIS * 2)
    expect(await countScripts()).toBe(before)
  })

  it('sends the keys of one turn as one pipeline', async () => {
    await using process = await openProcess(sharedUrl, newPrefix())
    const limit = process.limiter.createBatchedLimit('token', { points: 10, seconds: 60 })
    const single = process.redis as Redis
    limit.hit('warm the script cache up')
    await process.limiter.flush()
    let writes = 0
    const { stream } = single
    const write = stream.write.bind(stream)
    stream.write = ((...args: Parameters<typeof write>) => {
      writes += 1
      return write(...args)
    }) as typeof stream.write
    for (let at = 0; at < 200; at += 1) limit.hit(`app ${at}`)
    await process.limiter.flush()
    expect(writes).toBeGreaterThan(0)
    expect(writes).toBeLessThanOrEqual(2)
  })

  it('settles what came in while Redis was slow to answer', async () => {
    await using server = await startRedis()
    const prefix = newPrefix()
    await using process = await openProcess(server.url, prefix)
    const limit = process.limiter.createBatchedLimit('token', { points: 10, seconds: 60 })
    server.pause()
    limit.hit('app')
    await sleep(20)
    for (let at = 0; at < 3; at += 1) limit.hit('app')
    // The timer finds the first question unanswered.
    await sleep(FLUSH_INTERVAL_MILLIS + 50)
    server.resume()
    await waitUntil(async () => (await process.redis.get(`${prefix}limit:token:app`)) === '4')
  })

  it('goes on alone while Redis is away, and tells it afterwards what it let through', async () => {
    await using server = await startRedis({ appendOnly: true })
    const prefix = newPrefix()
    await using first = await openProcess(server.url, prefix)
    const size = { points: 20, seconds: 60 }
    const limit = first.limiter.createBatchedLimit('token', size)
    for (let at = 0; at < 5; at += 1) limit.hit('app')
    await first.limiter.flush()
    await server.kill()
    await waitUntil(() => first.redis.status !== 'ready')
    for (let at = 0; at < 5; at += 1) {
      expect(limit.hit('app')).toMatchObject({ allowed: true, remaining: 14 - at })
      await sleep(FLUSH_INTERVAL_MILLIS / 2)
    }
    await server.restart()
    await waitUntil(() => first.redis.status === 'ready')
    expect(limit.hit('app')).toMatchObject({ allowed: true, remaining: 9 })
    await waitUntil(async () => (await first.redis.get(`${prefix}limit:token:app`)) === '11')
    for (let at = 0; at < 9; at += 1) expect(limit.hit('app').allowed).toBe(true)
    expect(limit.hit('app').allowed).toBe(false)
  })

  it('keeps counting while Redis is frozen, and no hit waits for it', async () => {
    await using server = await startRedis()
    await using process = await openProcess(server.url, newPrefix())
    const limit = process.limiter.createBatchedLimit('token', { points: 30, seconds: 60 })
    limit.hit('app')
    await process.limiter.flush()
    server.pause()
    let allowed = 1
    const startedAt = performance.now()
    // Longer than a command may take, so that settling fails on the way.
    while (performance.now() - startedAt < 2500) {
      const hitAt = performance.now()
      if (limit.hit('app').allowed) allowed += 1
      // A hit that waited would take the command's 1500 ms.
      expect(performance.now() - hitAt).toBeLessThan(1000)
      await sleep(25)
    }
    server.resume()
    expect(allowed).toBe(30)
  })
})

describe.each([
  ['Redis', () => sharedUrl],
  ['Redis Cluster', () => clusterUrl],
])('a strict limit on %s', (_name, url) => {
  it('lets exactly its points through when many try at the same time', async () => {
    const prefix = newPrefix()
    await using first = await openProcess(url(), prefix)
    await using second = await openProcess(url(), prefix)
    const size = { points: 10, seconds: 60 }
    const limits = [first, second].map(({ limiter }) => limiter.createStrictLimit('login', size))
    const tries = Array.from({ length: 25 }, () =>
      limits.map((limit) => limit.consume('ann@example.com', newTryId())),
    )
    const outcomes = await Promise.all(tries.flat())
    expect(outcomes.filter(isAllowed)).toHaveLength(10)
    const [here] = limits
    expect(await here!.peek('ann@example.com')).toMatchObject({ allowed: false })
    expect(await here!.peek('bob@example.com')).toEqual({
      allowed: true,
      remaining: 10,
      resetSeconds: 60,
    })
  })

  it('gives a try back, and looking costs none', async () => {
    await using process = await openProcess(url(), newPrefix())
    const limit = process.limiter.createStrictLimit('login', { points: 2, seconds: 60 })
    await limit.consume('a', 'first')
    await limit.consume('a', 'second')
    expect(await limit.peek('a')).toMatchObject({ allowed: false })
    await limit.giveBack('a', 'first')
    expect(await limit.peek('a')).toMatchObject({ allowed: true, remaining: 1 })
    expect(await limit.peek('a')).toMatchObject({ allowed: true, remaining: 1 })
    expect(await limit.consume('a', newTryId())).toMatchObject({ allowed: true, remaining: 0 })
  })
})

describe('a strict limit', () => {
  it('ends when its window ends, however often somebody tries in between', async () => {
    await using process = await openProcess(sharedUrl, newPrefix())
    const limit = process.limiter.createStrictLimit('login', { points: 1, seconds: 1 })
    expect((await limit.consume('a', newTryId())).allowed).toBe(true)
    const startedAt = performance.now()
    await waitUntil(async () => (await limit.consume('a', newTryId())).allowed)
    expect(performance.now() - startedAt).toBeLessThan(4000)
  })

  it('writes no name of a person into Redis', async () => {
    const prefix = newPrefix()
    await using process = await openProcess(sharedUrl, prefix)
    const limit = process.limiter.createStrictLimit('login', { points: 5, seconds: 60 })
    await limit.consume('ann@example.com', newTryId())
    const keys = await (process.redis as Redis).keys(`${prefix}*`)
    expect(keys).toEqual([expect.stringMatching(/tries:login:[\w-]{43}$/)])
  })

  it('fails within two seconds, as unavailable, while Redis is frozen or away, and works again by itself', async () => {
    await using server = await startRedis()
    await using process = await openProcess(server.url, newPrefix())
    const limit = process.limiter.createStrictLimit('login', { points: 5, seconds: 60 })
    await limit.consume('a', newTryId())
    const expectUnavailable = async (): Promise<void> => {
      const startedAt = performance.now()
      for (const work of [limit.consume('a', newTryId()), limit.peek('a')])
        await expect(work).rejects.toMatchObject({
          code: 'temporarily_unavailable',
          retryAfterSeconds: 2,
        })
      expect(performance.now() - startedAt).toBeLessThan(2500)
    }
    server.pause()
    await expectUnavailable()
    server.resume()
    await server.kill()
    await expectUnavailable()
    await server.restart()
    await waitUntil(() => process.redis.status === 'ready')
    expect((await limit.consume('a', newTryId())).allowed).toBe(true)
  })

  it('counts a try once however often it is sent, and gives back that try and no other', async () => {
    await using process = await openProcess(sharedUrl, newPrefix())
    const limit = process.limiter.createStrictLimit('login', { points: 3, seconds: 60 })
    await limit.consume('a', 'mine')
    await limit.consume('a', 'mine')
    await limit.consume('a', 'other')
    expect(await limit.peek('a')).toMatchObject({ remaining: 1 })
    for (let at = 0; at < 5; at += 1) await limit.giveBack('a', 'mine')
    await limit.giveBack('a', 'never counted')
    expect(await limit.peek('a')).toMatchObject({ remaining: 2 })
  })

  it('survives the restart of the process', async () => {
    const prefix = newPrefix()
    const size = { points: 1, seconds: 60 }
    {
      await using process = await openProcess(sharedUrl, prefix)
      await process.limiter.createStrictLimit('login', size).consume('a', newTryId())
    }
    await using next = await openProcess(sharedUrl, prefix)
    const limit = next.limiter.createStrictLimit('login', size)
    expect(await limit.consume('a', newTryId())).toMatchObject({ allowed: false })
  })

  it('counts nothing of an outage against anybody, though the tries arrive when it is over', async () => {
    await using server = await startRedis()
    await using process = await openProcess(server.url, newPrefix())
    await using observer = await openProcess(server.url, newPrefix())
    const limit = process.limiter.createStrictLimit('login', { points: 5, seconds: 60 })
    await limit.consume('a', 'judged')
    server.pause()
    const tries = Array.from({ length: 4 }, () => limit.consume('a', newTryId()))
    for (const work of tries)
      await expect(work).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    server.resume()
    await observer.redis.ping()
    await waitUntil(async () => {
      const answer = await limit.peek('a')
      return answer.allowed && answer.remaining === 4
    })
    // What was judged before stays counted.
    await sleep(1500)
    expect(await limit.peek('a')).toMatchObject({ allowed: true, remaining: 4 })
  })
})
