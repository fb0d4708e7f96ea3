// The apps that requests ask for, kept in this process so that the hot paths need no database. Invariant: after an invalidation nobody is
// given what was read before it: the entry goes, and a load that had begun does not fill the cache any more.
import { LRUCache } from 'lru-cache'
import { SECOND, type Clock } from '../shared/clock.ts'
import type { Invalidation } from '../storage/invalidation.ts'
import { isClientId, type App } from '../model/app.ts'

const MAX_APPS = 20_000
const MAX_AGE_MILLIS = 30 * SECOND
// Unknown ids have a cache of their own: inventing ids must not push real apps out.
const MAX_UNKNOWN = 5_000
const UNKNOWN_MAX_AGE_MILLIS = 5 * SECOND

/** Finds apps by client id, from memory where it can. */
export interface AppCache {
  find(clientId: string): Promise<App | undefined>
  /** Says whether `find` needs no query of its own now. */
  isAtHand(clientId: string): boolean
}

/** Creates the cache over a loader. */
export function createAppCache(deps: {
  load: (clientId: string) => Promise<App | undefined>
  clock: Clock
  invalidation: Pick<Invalidation, 'on' | 'onGap'>
}): AppCache {
  const perf = { now: deps.clock }
  const known = new LRUCache<string, App>({
    max: MAX_APPS,
    ttl: MAX_AGE_MILLIS,
    ttlResolution: 0,
    perf,
  })
  const unknown = new LRUCache<string, true>({
    max: MAX_UNKNOWN,
    ttl: UNKNOWN_MAX_AGE_MILLIS,
    ttlResolution: 0,
    perf,
  })
  const loads = new Map<string, Promise<App | undefined>>()

  deps.invalidation.on('app', (id) => {
    known.delete(id)
    unknown.delete(id)
    // Whoever asks from now on starts a load of its own; the old one finds itself replaced and keeps its answer to itself.
    loads.delete(id)
  })
  deps.invalidation.onGap(() => {
    known.clear()
    unknown.clear()
    loads.clear()
  })

  function load(clientId: string): Promise<App | undefined> {
    const loading: Promise<App | undefined> = deps
      .load(clientId)
      .then((app) => {
        if (loads.get(clientId) !== loading) return app
        if (app === undefined) unknown.set(clientId, true)
        else known.set(clientId, app)
        return app
      })
      .finally(() => {
        if (loads.get(clientId) === loading) loads.delete(clientId)
      })
    loads.set(clientId, loading)
    return loading
  }

  return {
    find(clientId) {
      const app = known.get(clientId)
      if (app !== undefined) return Promise.resolve(app)
      if (!isClientId(clientId) || unknown.has(clientId)) return Promise.resolve(undefined)
      return loads.get(clientId) ?? load(clientId)
    },
    isAtHand: (clientId) =>
      known.has(clientId) || unknown.has(clientId) || loads.has(clientId) || !isClientId(clientId),
  }
}
