// Logos by their id, from memory where they are there. Invariant: an id costs no query of its own.
// Ids come from strangers, who can invent any number: those that are looked up while a query is
// under way share the next one.
import { LRUCache } from 'lru-cache'
import { isLogoId, type Logo, MAX_LOGO_BYTES } from './logo.ts'

const MAX_BYTES = 32 * MAX_LOGO_BYTES
// What one query may bring back: each logo has up to 256 KiB.
const MAX_AT_ONCE = 50

/** Finds logos. */
export interface LogoCache {
  /** @param logoId any text */
  find(logoId: string): Promise<Logo | undefined>
}

interface Waiting {
  logoId: string
  resolve: (logo: Logo | undefined) => void
  reject: (error: unknown) => void
}

/** Creates the cache. @param load finds those of the ids that there are */
export function createLogoCache(load: (logoIds: readonly string[]) => Promise<Logo[]>): LogoCache {
  const logos = new LRUCache<string, Logo>({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ bytes }) => bytes.length,
  })
  let waiting: Waiting[] = []
  let isLoading = false

  async function loadWaiting(): Promise<void> {
    isLoading = true
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MAX_AT_ONCE)
      waiting = waiting.slice(MAX_AT_ONCE)
      try {
        const found = await load([...new Set(batch.map(({ logoId }) => logoId))])
        for (const logo of found) logos.set(logo.id, logo)
        for (const { logoId, resolve } of batch) resolve(found.find(({ id }) => id === logoId))
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    isLoading = false
  }

  return {
    find(logoId) {
      if (!isLogoId(logoId)) return Promise.resolve(undefined)
      const kept = logos.get(logoId)
      if (kept !== undefined) return Promise.resolve(kept)
      return new Promise((resolve, reject) => {
        waiting.push({ logoId, resolve, reject })
        if (!isLoading) void loadWaiting()
      })
    },
  }
}
