// Login sessions by account, so that an account is signed out everywhere. They count no longer
// anyway once the account's generation was raised (engine-adapter.ts); this removes what is left of
// them.
import type { IndexStore, RecordStore } from '../../grants/family-store.ts'
import type { Clock } from '../../shared/clock.ts'
import { sessionIndex } from './engine/adapter.ts'
import type { LoginGeneration } from './engine/internals.ts'

const BATCH = 100

/** Removes login sessions that have ended. */
export interface LoginSessions {
  /** Removes the sessions of an account that count no longer; what was begun later stays. */
  removeAllOf(accountId: string): Promise<void>
}

/**
 * Creates the view of sessions by account.
 *
 * @param loginsCountFrom returns from which generation of the account on logins count
 */
export function createLoginSessions(
  store: RecordStore & IndexStore,
  clock: Clock,
  loginsCountFrom: (accountId: string) => Promise<number>,
): LoginSessions {
  async function hasEnded(key: string, countsFrom: number): Promise<boolean> {
    const text = await store.findRecord(key)
    if (text === undefined) return true
    const { generation = 0 } = JSON.parse(text) as LoginGeneration
    return generation < countsFrom
  }

  return {
    async removeAllOf(accountId) {
      const index = sessionIndex(accountId)
      const countsFrom = await loginsCountFrom(accountId)
      for (let offset = 0; ;) {
        const keys = await store.listIndex(index, clock(), offset, BATCH)
        if (keys.length === 0) return
        const ended = await Promise.all(keys.map((key) => hasEnded(key, countsFrom)))
        const removed = keys.filter((_key, at) => ended[at])
        await Promise.all(removed.map((key) => store.removeRecord(key)))
        await store.removeFromIndex(index, removed)
        offset += keys.length - removed.length
      }
    },
  }
}
