// The apps that requests ask for, from memory where they are there. Invariant: after an
// invalidation nobody gets what was read before it (model/loading-cache.ts).
import { type App, isClientId } from '../model/app.ts'
import { createLoadingCache, type LoadingCache } from '../model/loading-cache.ts'
import { SECOND, type Clock } from '../shared/clock.ts'
import type { Invalidation } from '../storage/invalidation.ts'

const BOUNDS = {
  max: 20_000,
  maxAgeMillis: 30 * SECOND,
  absent: { max: 5_000, maxAgeMillis: 5 * SECOND },
}

/** Finds apps by client id, from memory where it can. */
export type AppCache = Pick<LoadingCache<App>, 'known' | 'find' | 'isAtHand'>

/** Creates the cache over a loader. */
export function createAppCache(deps: {
  load: (clientId: string) => Promise<App | undefined>
  clock: Clock
  invalidation: Pick<Invalidation, 'on' | 'onGap'>
}): AppCache {
  const cache = createLoadingCache(deps.load, deps.clock, BOUNDS)
  deps.invalidation.on('app', (id) => cache.forget(id))
  deps.invalidation.onGap(() => cache.forgetAll())
  return {
    known: (clientId) => cache.known(clientId),
    // What has not the form of a client id costs no look-up.
    find: (clientId) => (isClientId(clientId) ? cache.find(clientId) : Promise.resolve(undefined)),
    isAtHand: (clientId) => !isClientId(clientId) || cache.isAtHand(clientId),
  }
}
