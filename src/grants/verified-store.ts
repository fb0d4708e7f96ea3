// The store as far as it is verified: an answer counts only if it came from a copy that knows what
// has ended, and no other copy can have given it. Costs no trip. Called by open-stores.ts.
import { AppError } from '../shared/errors.ts'
import type { ReadKeys } from './batched-reads.ts'
import type { ShortLivedStore } from './family-store.ts'
import type { RedisStore } from './redis-family.store.ts'

interface VerifiedCopy {
  /** Another one once something that was acknowledged may have been lost. */
  readonly history: string
}

/** Tells which copy of the store is verified; see revocations/catch-up.ts. */
export interface CopyVerification {
  /** Stands for the copy; another one where another copy may have taken over. */
  verified(): VerifiedCopy | undefined
  /** Waits for one, for a moment. @throws {AppError} `temporarily_unavailable` */
  whenVerified(): Promise<VerifiedCopy>
}

const ATTEMPTS = 3

/** Creates the store over one whose answers may come from any copy. */
export function createVerifiedStore(
  store: RedisStore,
  verification: CopyVerification,
): ShortLivedStore {
  // Around the command and not around each read: one command serves all reads of a moment.
  const verified =
    (read: ReadKeys): ReadKeys =>
    async (keys) => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
        const copy = verification.verified() ?? (await verification.whenVerified())
        const values = await read(keys)
        if (verification.verified() === copy) return values
      }
      throw new AppError('temporarily_unavailable', {
        detail: 'redis: another copy at every attempt',
        retryAfterSeconds: 1,
      })
    }

  return {
    ...store,
    copy: () => verification.verified(),
    history: async () => (verification.verified() ?? (await verification.whenVerified())).history,
    read: store.readThrough(verified),
    // What was carried out counts, wherever that was: a copy that took over meanwhile still ends
    // what has ended before anything that hangs on it is verified.
    commit(family, change) {
      if (verification.verified() !== undefined) return store.commit(family, change)
      return verification.whenVerified().then(() => store.commit(family, change))
    },
    async ping() {
      await store.ping()
      await verification.whenVerified()
    },
  }
}
