// A limit that is exact over all processes: each try is a member of a set in Redis, under an id of
// its own. Invariants: a try is counted once however often it is sent, and taking it back takes
// back this one and no other, also where nobody knows whether it arrived; so an outage counts
// against nobody, and gives nobody tries that they have used. Counts in fixed windows that begin
// with a key's first try.
import { LRUCache } from 'lru-cache'
import { SECOND, type Clock } from '../shared/clock.ts'
import { randomBase62, sha256 } from '../shared/crypto.ts'
import { AppError } from '../shared/errors.ts'
import type { LimitOutcome, LimitSize } from './limit.ts'

/**
 * A limit that is exact over all processes.
 *
 * Each call is one trip to Redis, and throws AppError `temporarily_unavailable` when it is away:
 * sign-in without a limit is not offered.
 */
export interface StrictLimit {
  readonly size: LimitSize
  /**
   * Counts one try of the key; tries beyond the limit do not make the wait longer.
   *
   * @param tryId names the try, for giving it back
   */
  consume(key: string, tryId: string): Promise<LimitOutcome>
  /** Says what `consume` would say, without counting. */
  peek(key: string): Promise<LimitOutcome>
  /**
   * Takes a try back that was not judged, or was right. Never rejects: where Redis is away it is
   * done when it is back.
   */
  giveBack(key: string, tryId: string): Promise<void>
}

/** Makes the id of a try. */
export const newTryId = (): string => randomBase62(11)

/** Where tries are kept: Redis, or this process. */
export interface TryStore {
  /**
   * Adds a try unless the limit is reached; returns how many there are, this one included, and how
   * long the window still lasts.
   */
  add(key: string, tryId: string, size: LimitSize): Promise<Tries>
  count(key: string): Promise<Tries>
  remove(key: string, tryId: string): Promise<void>
}

interface Tries {
  count: number
  endsInMillis: number
}

/** What is needed of ioredis' clients. */
export interface EvalRedis {
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
}

const ADD = `
local count = redis.call('SCARD', KEYS[1])
if count >= tonumber(ARGV[1]) and redis.call('SISMEMBER', KEYS[1], ARGV[3]) == 0 then
  return { count + 1, redis.call('PTTL', KEYS[1]) }
end
redis.call('SADD', KEYS[1], ARGV[3])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return { redis.call('SCARD', KEYS[1]), redis.call('PTTL', KEYS[1]) }
`
const COUNT = `return { redis.call('SCARD', KEYS[1]), redis.call('PTTL', KEYS[1]) }`
const REMOVE = `return redis.call('SREM', KEYS[1], ARGV[1])`

/** Keeps tries in Redis: exact over all processes, and there after a restart. */
export function createRedisTryStore(redis: EvalRedis, prefix: string): TryStore {
  const triesOf = (answer: unknown): Tries => {
    const [count = 0, endsInMillis = 0] = answer as number[]
    return { count, endsInMillis: Math.max(0, endsInMillis) }
  }
  return {
    add: async (key, tryId, { points, seconds }) =>
      triesOf(
        await redis.eval(ADD, 1, prefix + key, String(points), String(seconds * SECOND), tryId),
      ),
    count: async (key) => triesOf(await redis.eval(COUNT, 1, prefix + key)),
    async remove(key, tryId) {
      await redis.eval(REMOVE, 1, prefix + key, tryId)
    },
  }
}

const MAX_KEYS = 100_000

/** Keeps tries in this process, for the embedded mode: they are forgotten when it ends. */
export function createLocalTryStore(clock: Clock): TryStore {
  const windows = new LRUCache<string, { ids: Set<string>; endsAt: number }>({ max: MAX_KEYS })
  const current = (key: string) => {
    const window = windows.get(key)
    return window === undefined || clock() >= window.endsAt ? undefined : window
  }
  return {
    add(key, tryId, { points, seconds }) {
      let window = current(key)
      if (window === undefined) {
        window = { ids: new Set(), endsAt: clock() + seconds * SECOND }
        windows.set(key, window)
      }
      const { ids, endsAt } = window
      const isRefused = ids.size >= points && !ids.has(tryId)
      if (!isRefused) ids.add(tryId)
      return Promise.resolve({
        count: ids.size + (isRefused ? 1 : 0),
        endsInMillis: endsAt - clock(),
      })
    },
    count(key) {
      const window = current(key)
      return Promise.resolve({
        count: window?.ids.size ?? 0,
        endsInMillis: window === undefined ? 0 : window.endsAt - clock(),
      })
    },
    remove(key, tryId) {
      current(key)?.ids.delete(tryId)
      return Promise.resolve()
    },
  }
}

// Tries that are still to be taken back. Beyond that an outage does count against users, for one
// window.
const MAX_OWED = 10_000
const RETRY_MILLIS = SECOND

/** Returns what takes a try back later, once a second, until the store has done it. */
function createDebts(size: LimitSize, store: TryStore): (key: string, tryId: string) => void {
  const owed = new Map<string, { key: string; tryId: string; retriesLeft: number }>()
  let timer: NodeJS.Timeout | undefined

  async function payBack(): Promise<void> {
    for (const [id, debt] of [...owed]) {
      try {
        await store.remove(debt.key, debt.tryId)
        owed.delete(id)
      } catch {
        debt.retriesLeft -= 1
        if (debt.retriesLeft <= 0) owed.delete(id)
        // The others would fail as well.
        break
      }
    }
    timer = owed.size === 0 ? undefined : setTimeout(() => void payBack(), RETRY_MILLIS).unref()
  }

  return function owe(key, tryId) {
    if (owed.size < MAX_OWED) owed.set(tryId, { key, tryId, retriesLeft: size.seconds })
    // Does not keep the process alive.
    timer ??= setTimeout(() => void payBack(), RETRY_MILLIS).unref()
  }
}

/** Creates the limit over a store. */
export function createStrictLimit(size: LimitSize, store: TryStore): StrictLimit {
  const owe = createDebts(size, store)
  // Keys name users: what was typed into a sign-in form has no place in Redis in clear.
  return {
    size,
    async consume(plainKey, tryId) {
      const key = sha256(plainKey)
      try {
        const { count, endsInMillis } = await store.add(key, tryId, size)
        return outcomeOf(size, count, endsInMillis)
      } catch (error) {
        // It may have arrived, or still arrive.
        owe(key, tryId)
        throw unavailable(error)
      }
    },
    async peek(plainKey) {
      try {
        const { count, endsInMillis } = await store.count(sha256(plainKey))
        if (count >= size.points) return outcomeOf(size, count + 1, endsInMillis)
        const resetMillis = count === 0 ? size.seconds * SECOND : endsInMillis
        return {
          allowed: true,
          remaining: size.points - count,
          resetSeconds: Math.ceil(resetMillis / SECOND),
        }
      } catch (error) {
        throw unavailable(error)
      }
    },
    async giveBack(plainKey, tryId) {
      const key = sha256(plainKey)
      try {
        await store.remove(key, tryId)
      } catch {
        owe(key, tryId)
      }
    },
  }
}

const outcomeOf = (size: LimitSize, count: number, endsInMillis: number): LimitOutcome => {
  const seconds = Math.ceil(endsInMillis / SECOND)
  return count > size.points
    ? { allowed: false, retryAfterSeconds: Math.max(seconds, 1) }
    : { allowed: true, remaining: size.points - count, resetSeconds: seconds }
}

const unavailable = (cause: unknown): AppError =>
  new AppError('temporarily_unavailable', {
    cause,
    detail: 'redis: limits',
    retryAfterSeconds: 2,
  })
