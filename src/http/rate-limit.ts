// Limits of two kinds. A batched limit, over rate-limiter-flexible, decides in this process and
// settles with Redis in the background: for the paths that carry every API call, which must not pay
// a trip for it. A strict limit (strict-limit.ts) asks Redis each time: for sign-in, where each try
// counts. Both count in fixed windows that begin with the first hit of a key. app.ts creates one
// limiter.
import { LRUCache } from 'lru-cache'
import type { RateLimiterRes } from 'rate-limiter-flexible'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { MINUTE, SECOND, type Clock } from '../shared/clock.ts'
import { sha256 } from '../shared/crypto.ts'
import type { Logger } from '../shared/logger.ts'
import {
  createLocalTryStore,
  createRedisTryStore,
  createStrictLimit,
  type EvalRedis,
  type StrictLimit,
} from './strict-limit.ts'
import type { LimitOutcome, LimitSize } from './limit.ts'

/** A limit that costs a request no trip. */
export interface BatchedLimit {
  readonly size: LimitSize
  /** Counts one hit of the key and decides at once. A refused hit is not counted. */
  hit(key: string): LimitOutcome
}

/** Creates limits that share one Redis. */
export interface RateLimiter {
  /**
   * @param name part of the Redis key
   * @throws {Error} never from `hit`: while Redis is away, each process goes on with what it
   * counted itself
   */
  createBatchedLimit(name: string, size: LimitSize): BatchedLimit
  createStrictLimit(name: string, size: LimitSize): StrictLimit
  /** Settles all counts with Redis now; for shutdown and tests. Never rejects. */
  flush(): Promise<void>
}

/** What is needed of ioredis' clients; rate-limiter-flexible uses the rest of it. */
export interface LimitRedis extends EvalRedis {
  readonly status: string
}

export interface RateLimiterDependencies {
  /** Absent when embedded: then this process counts alone. */
  redis: LimitRedis | undefined
  keyPrefix: string
  clock: Clock
  logger: Logger
}

/**
 * How often a key settles with Redis. Several processes together exceed a limit by at most what
 * arrives within this time, once per window: each learns at its next settling what the others let
 * through.
 */
export const FLUSH_INTERVAL_MILLIS = 150
// The cache reserves its room at once, 24 bytes a key and limit. A key that falls out asks Redis
// when it comes back.
const MAX_TRACKED_KEYS = 10_000
// A client may name itself at any length before it is known.
const MAX_KEY_LENGTH = 100

const UNLIMITED: LimitOutcome = {
  allowed: true,
  remaining: Number.POSITIVE_INFINITY,
  resetSeconds: 0,
}

/** Creates the limiter. */
export function createRateLimiter(dependencies: RateLimiterDependencies): RateLimiter {
  const { redis, keyPrefix, clock, logger } = dependencies
  const outages = createOutageLog(clock, logger)
  const storeOptions = (name: string, { points, seconds }: LimitSize) => ({
    keyPrefix: `${keyPrefix}limit:${name}`,
    points,
    duration: seconds,
  })
  const flushes: (() => Promise<void>)[] = []
  return {
    createBatchedLimit(name, size) {
      if (size.points === 0) return { size, hit: () => UNLIMITED }
      const store =
        redis === undefined
          ? undefined
          : new RateLimiterRedis({ ...storeOptions(name, size), storeClient: redis })
      const settle =
        redis === undefined || store === undefined
          ? undefined
          : {
              isReady: () => redis.status === 'ready' && !outages.isPausing(),
              penalty: store.penalty.bind(store),
              outages,
            }
      const counter = createCounter(size, clock, settle)
      flushes.push(counter.flush)
      return { size, hit: counter.hit }
    },
    createStrictLimit(name, size) {
      if (size.points === 0) return createOpenLimit(size)
      const store =
        redis === undefined
          ? createLocalTryStore(clock)
          : // Not the name of a batched limit: that is a number in Redis, this a set.
            createRedisTryStore(redis, `${keyPrefix}tries:${name}:`)
      return createStrictLimit(size, store)
    },
    async flush() {
      await Promise.all(flushes.map((flush) => flush()))
    },
  }
}

/** One key in its current window. */
interface Tally {
  readonly key: string
  /** What Redis counted for all processes when we last asked, ours included. */
  settled: number
  /** Sent to Redis, not answered yet. */
  sent: number
  /** Ours, not sent yet. */
  pending: number
  windowEndsAt: number
  isWaiting: boolean
}

/** Keys whose counts wait to be settled together. */
interface Queue {
  tallies: Tally[]
  timer: NodeJS.Timeout | NodeJS.Immediate | undefined
}

interface Settlement {
  isReady: () => boolean
  penalty: (key: string, points: number) => Promise<RateLimiterRes>
  outages: OutageLog
}

function createCounter(size: LimitSize, clock: Clock, settlement: Settlement | undefined) {
  const { points, seconds } = size
  const tallies = new LRUCache<string, Tally>({ max: MAX_TRACKED_KEYS })
  const soon: Queue = { tallies: [], timer: undefined }
  const atOnce: Queue = { tallies: [], timer: undefined }

  function openWindow(key: string, now: number): Tally {
    const windowEndsAt = now + seconds * SECOND
    const tally = { key, settled: 0, sent: 0, pending: 0, windowEndsAt, isWaiting: false }
    tallies.set(key, tally)
    return tally
  }

  function hit(rawKey: string): LimitOutcome {
    const key = rawKey.length > MAX_KEY_LENGTH ? sha256(rawKey) : rawKey
    const now = clock()
    const known = tallies.get(key)
    const isNew = known === undefined || now >= known.windowEndsAt
    const tally = isNew ? openWindow(key, now) : known
    const before = tally.settled + tally.sent + tally.pending
    const resetSeconds = Math.ceil((tally.windowEndsAt - now) / SECOND)
    if (before >= points) return { allowed: false, retryAfterSeconds: resetSeconds }
    tally.pending += 1
    if (settlement !== undefined && !tally.isWaiting) enqueue(tally, isNew)
    return { allowed: true, remaining: points - before - 1, resetSeconds }
  }

  /**
   * A key seen first settles at the end of this turn, because other processes may have used it up;
   * afterwards it keeps the interval.
   */
  function enqueue(tally: Tally, isNew: boolean): void {
    const queue = isNew ? atOnce : soon
    tally.isWaiting = true
    queue.tallies.push(tally)
    // Neither keeps the process alive.
    queue.timer ??= isNew
      ? setImmediate(() => void flushQueue(queue)).unref()
      : setTimeout(() => void flushQueue(queue), FLUSH_INTERVAL_MILLIS).unref()
  }

  async function flushQueue(queue: Queue): Promise<void> {
    const batch = queue.tallies
    queue.tallies = []
    queue.timer = undefined
    for (const tally of batch) tally.isWaiting = false
    // While Redis is away the counts stay here, and the next hit of the key puts it in the queue
    // again.
    if (settlement?.isReady() !== true) return
    // All within one turn: ioredis sends them as one pipeline.
    await Promise.all(batch.map((tally) => settle(tally, settlement)))
  }

  async function settle(tally: Tally, { penalty, outages }: Settlement): Promise<void> {
    // One question of a key at a time: the end of the one under way asks the next.
    if (tally.sent > 0 || tally.pending === 0) return
    tally.sent = tally.pending
    tally.pending = 0
    try {
      const answer = await penalty(tally.key, tally.sent)
      tally.settled = answer.consumedPoints
      tally.windowEndsAt = clock() + answer.msBeforeNext
    } catch (error) {
      // It may have been counted or not. Sending it again could count it twice and refuse an honest
      // client; here it stays counted.
      tally.settled += tally.sent
      outages.report(error)
    } finally {
      tally.sent = 0
      if (tally.pending > 0 && !tally.isWaiting) enqueue(tally, false)
    }
  }

  const flush = async (): Promise<void> => {
    await Promise.all([atOnce, soon].map(flushQueue))
  }
  return { hit, flush }
}

const PAUSE_MILLIS = SECOND

interface OutageLog {
  report(error: unknown): void
  /** Whether settling failed just now, so that Redis is left alone for a while. */
  isPausing(): boolean
}

/** Writes one line a minute, whatever the load. */
function createOutageLog(clock: Clock, logger: Logger): OutageLog {
  let silentUntil = 0
  let pausingUntil = 0
  return {
    report(error) {
      pausingUntil = clock() + PAUSE_MILLIS
      if (clock() < silentUntil) return
      silentUntil = clock() + MINUTE
      logger.warn(
        { err: error },
        'limits could not be settled with Redis: each process counts alone',
      )
    },
    isPausing: () => clock() < pausingUntil,
  }
}

function createOpenLimit(size: LimitSize): StrictLimit {
  const open = (): Promise<LimitOutcome> => Promise.resolve(UNLIMITED)
  return { size, consume: open, peek: open, giveBack: () => Promise.resolve() }
}

/** One limit that applied to a request, and what it said. */
export interface AppliedLimit {
  size: LimitSize
  outcome: LimitOutcome
}

/**
 * Returns the headers that describe a client's limit: `Retry-After` with a refusal, and
 * RateLimit-Limit, -Remaining and -Reset of the limit that is nearest to its end.
 *
 * The three older headers and not the RateLimit/RateLimit-Policy fields of
 * draft-ietf-httpapi-ratelimit-headers: the draft has changed its syntax several times and needs a
 * structured-field parser, while the older three are plain integers that client libraries and
 * gateways read today. All values are whole, times in seconds.
 */
export function rateLimitHeaders(limits: readonly AppliedLimit[]): Record<string, string> {
  const [nearest] = limits.filter(({ size }) => size.points > 0).sort(byRoomLeft)
  if (nearest === undefined) return {}
  const { size, outcome } = nearest
  const reset = outcome.allowed ? outcome.resetSeconds : outcome.retryAfterSeconds
  const headers = {
    'RateLimit-Limit': String(size.points),
    'RateLimit-Remaining': String(outcome.allowed ? outcome.remaining : 0),
    'RateLimit-Reset': String(reset),
  }
  return outcome.allowed ? headers : { ...headers, 'Retry-After': String(reset) }
}

/** Refusals first, the longest wait before the others; then by the share that is left. */
function byRoomLeft(left: AppliedLimit, right: AppliedLimit): number {
  const share = ({ size, outcome }: AppliedLimit): number =>
    outcome.allowed ? outcome.remaining / size.points : -outcome.retryAfterSeconds
  return share(left) - share(right)
}
