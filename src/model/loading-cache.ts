// Things by id, kept in this process for a while, so that the hot paths need no database.
// Invariant: what was read before a change was published is never found after it. Forgetting an id
// also detaches the load under way: those who asked before get its result, and the cache does not.
import { LRUCache } from 'lru-cache'
import type { Clock } from '../shared/clock.ts'

export interface CacheBounds {
  max: number
  maxAgeMillis: number
}

export interface LoadingCache<T> {
  /** What is in memory, without a promise: `find` for the hot paths, which fall back to it. */
  known(id: string): T | undefined
  /** Finds or loads; callers who want one id at the same time share one load. */
  find(id: string): Promise<T | undefined>
  /** Returns whether `find` needs no load of its own now. */
  isAtHand(id: string): boolean
  forget(id: string): void
  forgetAll(): void
}

/**
 * Creates the cache over `load`. A failed load is not remembered.
 *
 * @param bounds.absent bounds of the ids that do not exist, which have a cache of their own, so
 * that invented ids do not push real ones out; without it they are loaded each time
 */
export function createLoadingCache<T extends object>(
  load: (id: string) => Promise<T | undefined>,
  clock: Clock,
  bounds: CacheBounds & { absent?: CacheBounds },
): LoadingCache<T> {
  const known = createCache<T>(bounds, clock)
  const absent = bounds.absent && createCache<true>(bounds.absent, clock)
  const loading = new Map<string, Promise<T | undefined>>()

  async function loadOnce(id: string): Promise<T | undefined> {
    const reading = load(id)
    loading.set(id, reading)
    const isCurrent = (): boolean => loading.get(id) === reading
    try {
      const found = await reading
      if (isCurrent()) {
        if (found === undefined) absent?.set(id, true)
        else known.set(id, found)
      }
      return found
    } finally {
      if (isCurrent()) loading.delete(id)
    }
  }

  return {
    known: (id) => known.get(id),
    find(id) {
      const found = known.get(id)
      if (found !== undefined) return Promise.resolve(found)
      if (absent?.has(id) === true) return Promise.resolve(undefined)
      return loading.get(id) ?? loadOnce(id)
    },
    isAtHand: (id) => known.has(id) || absent?.has(id) === true || loading.has(id),
    forget(id) {
      known.delete(id)
      absent?.delete(id)
      loading.delete(id)
    },
    forgetAll() {
      known.clear()
      absent?.clear()
      loading.clear()
    },
  }
}

const createCache = <T extends object | true>({ max, maxAgeMillis }: CacheBounds, clock: Clock) =>
  new LRUCache<string, T>({ max, ttl: maxAgeMillis, ttlResolution: 0, perf: { now: clock } })
