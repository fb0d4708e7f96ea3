import { createRateLimiter, rateLimitHeaders } from '../../../src/http/rate-limit.ts'
import type { LimitOutcome } from '../../../src/http/limit.ts'
import { newTryId } from '../../../src/http/strict-limit.ts'
import { createLogger } from '../../../src/shared/logger.ts'

const logger = createLogger('silent')

/** The embedded limiter, at a time that stands still. */
function startLimiter() {
  const time = { millis: 1_000_000 }
  const clock = (): number => time.millis
  return { time, limiter: createRateLimiter({ redis: undefined, keyPrefix: 't:', clock, logger }) }
}

describe('a batched limit', () => {
  it('lets its points through in each window, for each key', () => {
    const { time, limiter } = startLimiter()
    const limit = limiter.createBatchedLimit('token', { points: 3, seconds: 60 })
    const allowed = (key: string): boolean => limit.hit(key).allowed
    expect([1, 2, 3, 4, 5].map(() => allowed('a'))).toEqual([true, true, true, false, false])
    expect(allowed('b')).toBe(true)
    time.millis += 59_999
    expect(allowed('a')).toBe(false)
    time.millis += 1
    expect([1, 2, 3, 4].map(() => allowed('a'))).toEqual([true, true, true, false])
  })

  it('says what is left and when it begins again, in whole seconds', () => {
    const { time, limiter } = startLimiter()
    const limit = limiter.createBatchedLimit('token', { points: 2, seconds: 60 })
    expect(limit.hit('a')).toEqual({ allowed: true, remaining: 1, resetSeconds: 60 })
    time.millis += 1500
    expect(limit.hit('a')).toEqual({ allowed: true, remaining: 0, resetSeconds: 59 })
    time.millis += 58_400
    expect(limit.hit('a')).toEqual({ allowed: false, retryAfterSeconds: 1 })
  })

  it('keeps long names apart', () => {
    const { limiter } = startLimiter()
    const limit = limiter.createBatchedLimit('token', { points: 1, seconds: 60 })
    const long = 'x'.repeat(5000)
    expect(limit.hit(`${long}a`).allowed).toBe(true)
    expect(limit.hit(`${long}b`).allowed).toBe(true)
    expect(limit.hit(`${long}a`).allowed).toBe(false)
  })

  it('forgets the key that was not seen for longest, not the busy one, when there are too many', () => {
    const { limiter } = startLimiter()
    const limit = limiter.createBatchedLimit('token', { points: 2, seconds: 60 })
    limit.hit('idle')
    for (let at = 0; at < 50_000; at += 1) {
      limit.hit(`one of many ${at}`)
      if (at % 5_000 === 0) limit.hit('busy')
    }
    expect(limit.hit('idle')).toMatchObject({ allowed: true, remaining: 1 })
    expect(limit.hit('busy').allowed).toBe(false)
  })

  it('of 0 points is no limit and has no headers', () => {
    const { limiter } = startLimiter()
    const limit = limiter.createBatchedLimit('token', { points: 0, seconds: 1 })
    for (let at = 0; at < 1000; at += 1) expect(limit.hit('a').allowed).toBe(true)
    expect(rateLimitHeaders([{ size: limit.size, outcome: limit.hit('a') }])).toEqual({})
  })
})

describe('a strict limit in memory', () => {
  it('counts tries, looks without counting, and gives back', async () => {
    const { limiter } = startLimiter()
    const limit = limiter.createStrictLimit('login', { points: 2, seconds: 60 })
    expect(await limit.peek('a')).toEqual({ allowed: true, remaining: 2, resetSeconds: 60 })
    expect(await limit.consume('a', 'first')).toMatchObject({ allowed: true, remaining: 1 })
    expect(await limit.consume('a', newTryId())).toMatchObject({ allowed: true, remaining: 0 })
    expect(await limit.peek('a')).toMatchObject({ allowed: false })
    await limit.giveBack('a', 'first')
    expect(await limit.peek('a')).toMatchObject({ allowed: true, remaining: 1 })
    expect(await limit.consume('a', newTryId())).toMatchObject({ allowed: true })
    expect(await limit.consume('a', newTryId())).toEqual({ allowed: false, retryAfterSeconds: 60 })
    expect(await limit.consume('b', newTryId())).toMatchObject({ allowed: true })
  })

  it('of 0 points is no limit', async () => {
    const { limiter } = startLimiter()
    const limit = limiter.createStrictLimit('login', { points: 0, seconds: 1 })
    await limit.giveBack('a', 'first')
    expect((await limit.consume('a', newTryId())).allowed).toBe(true)
    expect((await limit.peek('a')).allowed).toBe(true)
  })
})

describe('the headers', () => {
  const allowed = (remaining: number): LimitOutcome => ({
    allowed: true,
    remaining,
    resetSeconds: 42,
  })
  const refused = (retryAfterSeconds: number): LimitOutcome => ({
    allowed: false,
    retryAfterSeconds,
  })
  const size = (points: number) => ({ points, seconds: 60 })

  it('show the limit that is nearest to its end', () => {
    expect(
      rateLimitHeaders([
        { size: size(1000), outcome: allowed(500) },
        { size: size(10_000), outcome: allowed(600) },
      ]),
    ).toEqual({
      'RateLimit-Limit': '10000',
      'RateLimit-Remaining': '600',
      'RateLimit-Reset': '42',
    })
  })

  it('say with a refusal when to come back, by the longest wait', () => {
    expect(
      rateLimitHeaders([
        { size: size(1000), outcome: allowed(0) },
        { size: size(10), outcome: refused(5) },
        { size: size(20), outcome: refused(50) },
      ]),
    ).toEqual({
      'RateLimit-Limit': '20',
      'RateLimit-Remaining': '0',
      'RateLimit-Reset': '50',
      'Retry-After': '50',
    })
  })

  it('are none without a limit', () => {
    expect(rateLimitHeaders([])).toEqual({})
  })
})
