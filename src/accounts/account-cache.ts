// Accounts by id, kept for a short while, because every use of a token asks whether its account is still active. Invariant: what was read
// before a change was announced is never found after it. Called by accounts.ts alone.
import { LRUCache } from 'lru-cache'
import { SECOND, type Clock } from '../shared/clock.ts'

const MAX_ACCOUNTS = 20_000
const MAX_AGE_MILLIS = 30 * SECOND

/** A cache of things by id. */
export interface AccountCache<T> {
  find(id: string): Promise<T | undefined>
  forget(id: string): void
  forgetAll(): void
}

/** Creates the cache over `load`; callers who want one id at the same time share one load. What is not there is not remembered. */
export function createAccountCache<T extends object>(
  load: (id: string) => Promise<T | undefined>,
  clock: Clock,
): AccountCache<T> {
  const known = new LRUCache<string, T>({
    max: MAX_ACCOUNTS,
    ttl: MAX_AGE_MILLIS,
    ttlResolution: 0,
    perf: { now: clock },
  })
  const loading = new Map<string, Promise<T | undefined>>()

  async function loadOnce(id: string): Promise<T | undefined> {
    const reading = load(id)
    loading.set(id, reading)
    // Forgetting takes the load out of the map: then its result goes to those who asked before, and nowhere else.
    const isCurrent = (): boolean => loading.get(id) === reading
    try {
      const found = await reading
      if (found !== undefined && isCurrent()) known.set(id, found)
      return found
    } finally {
      if (isCurrent()) loading.delete(id)
    }
  }

  return {
    find(id) {
      const found = known.get(id)
      return found === undefined ? (loading.get(id) ?? loadOnce(id)) : Promise.resolve(found)
    },
    forget(id) {
      known.delete(id)
      loading.delete(id)
    },
    forgetAll() {
      known.clear()
      loading.clear()
    },
  }
}
