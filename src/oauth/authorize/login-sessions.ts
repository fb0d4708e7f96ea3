// Login sessions by account, so that an account is signed out everywhere. They count no longer
// anyway once the account's generation was raised (engine-adapter.ts); this removes what is left of
// them.
import type { IndexStore, RecordStore } from '../../grants/family-store.ts'
import { type Clock, DAY, SECOND } from '../../shared/clock.ts'
import { endedSessionKey, sessionIndex, sessionName } from './engine/adapter.ts'
import type { LoginGeneration } from './engine/internals.ts'

const BATCH = 100
/** More than anybody has. */
const MOST = 500
/** Longer than any session lives. */
const MARKED_MILLIS = 400 * DAY

/** A place where an account is signed in. */
export interface LoginSession {
  /** Names it, and opens nothing. */
  id: string
  /** Such as `Firefox on Windows`; absent for those of an earlier release. */
  device: string | undefined
  network: string | undefined
  signedInAt: Date
}

/** Login sessions by account. */
export interface LoginSessions {
  /** Lists those that count, the latest sign-in first. */
  listOf(accountId: string): Promise<LoginSession[]>
  /** Ends those for good that `isMeant` says, and returns them. */
  end(accountId: string, isMeant: (id: string) => boolean): Promise<LoginSession[]>

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

  async function readAll(accountId: string): Promise<Kept[]> {
    const index = sessionIndex(accountId)
    const keys = await store.listIndex(index, clock(), 0, MOST)
    const countsFrom = await loginsCountFrom(accountId)
    const found = await Promise.all(keys.map((key) => readSession(store, key, countsFrom)))
    return found
      .filter((each) => each !== undefined)
      .toSorted((left, right) => right.signedInAt.getTime() - left.signedInAt.getTime())
  }

  return {
    listOf: async (accountId) => (await readAll(accountId)).map(shown),
    async end(accountId, isMeant) {
      const meant = (await readAll(accountId)).filter(({ id }) => isMeant(id))
      // The mark first: a request of that session that is under way writes it back.
      await Promise.all(
        meant.map(({ id }) => store.putRecord(endedSessionKey(id), '', MARKED_MILLIS)),
      )
      await Promise.all(meant.map(({ key }) => store.removeRecord(key)))
      await store.removeFromIndex(
        sessionIndex(accountId),
        meant.map(({ key }) => key),
      )
      return meant.map(shown)
    },
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

type Kept = LoginSession & { key: string }

const shown = ({ key: _key, ...session }: Kept): LoginSession => session

/** Reads a session that counts. */
async function readSession(
  store: RecordStore,
  key: string,
  countsFrom: number,
): Promise<Kept | undefined> {
  const text = await store.findRecord(key)
  if (text === undefined) return undefined
  const { uid, loginTs = 0, generation = 0, place } = JSON.parse(text) as Stored
  if (uid === undefined || generation < countsFrom) return undefined
  const id = sessionName(uid)
  if ((await store.findRecord(endedSessionKey(id))) !== undefined) return undefined
  const signedInAt = new Date(loginTs * SECOND)
  return { id, key, device: place?.device, network: place?.network, signedInAt }
}

type Stored = LoginGeneration & { uid?: string; loginTs?: number }
