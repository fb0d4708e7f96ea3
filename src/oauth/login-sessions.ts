// Login sessions by account, so that a deactivated account is signed out everywhere.
import type { IndexStore, RecordStore } from '../grants/family-store.ts'
import type { Clock } from '../shared/clock.ts'
import { sessionIndex } from './engine-adapter.ts'

const BATCH = 100

/** Ends all login sessions of accounts. */
export interface LoginSessions {
  removeAllOf(accountId: string): Promise<void>
}

/** Creates the view of sessions by account. */
export function createLoginSessions(store: RecordStore & IndexStore, clock: Clock): LoginSessions {
  return {
    async removeAllOf(accountId) {
      const index = sessionIndex(accountId)
      for (;;) {
        const keys = await store.listIndex(index, clock(), 0, BATCH)
        if (keys.length === 0) return
        await Promise.all(keys.map((key) => store.removeRecord(key)))
        await store.removeFromIndex(index, keys)
      }
    },
  }
}
