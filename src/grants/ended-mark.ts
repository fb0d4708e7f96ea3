// The end of a family as one change of the store, and the mark that it leaves. Used by grants.ts,
// and by end-again.ts where a copy of the store has forgotten it.
import { DAY, SECOND } from '../shared/clock.ts'
import { randomBase62 } from '../shared/crypto.ts'
import type { FamilyChange, IndexStore } from './family-store.ts'
import {
  accountIndex,
  appIndex,
  ENDED,
  type Grant,
  GRANT,
  liveIndex,
  REFRESH,
  refreshedIndex,
  usedIndex,
} from './grant.ts'
import { GRANT_SLACK_SECONDS } from './issue.ts'

// Longer than a beginning can be on its way, and long enough for an app that was told to try again.
export const ENDED_MILLIS = 600_000
const MARK = 8

/** Makes the mark of one act. */
export const newMark = (): string => randomBase62(MARK)

/**
 * The mark that an ended grant leaves: whose act it was, and which grant it was where another one
 * may follow under the id.
 */
const markOf = (mark: string, { epoch }: Grant): string =>
  epoch === undefined ? mark : `${mark} ${epoch}`

/** Returns which grant a mark is about. */
export function epochIn(ended: string): { epoch?: string } {
  const [, epoch] = ended.split(' ')
  return epoch === undefined ? {} : { epoch }
}

/** Ends the grant, if it still is as it was read. */
export const endingOf = (text: string, grant: Grant, mark: string): FamilyChange => ({
  expect: [{ name: GRANT, state: 'equals', value: text }],
  put: [{ name: ENDED, value: markOf(mark, grant), ttlMillis: ENDED_MILLIS }],
  remove: [GRANT, REFRESH],
})

/** Keeps a grant from beginning whose beginning may be on its way. */
export const forbiddingBeginning = (mark: string): FamilyChange => ({
  expect: [{ name: GRANT, state: 'absent' }],
  put: [{ name: ENDED, value: mark, ttlMillis: ENDED_MILLIS }],
})

// An ending is kept for so long beyond what it ends, because clocks differ; and so long where
// nothing is known of what it ends.
const KEPT_MILLIS = DAY
const LONGEST_KNOWN_MILLIS = 400 * DAY

/**
 * Returns until when some copy of the store may still know what ends now, in milliseconds.
 *
 * @param endsAt when it would have ended anyway, in seconds, where that is known
 */
export const keptUntil = (endsAt: number | undefined, now: number): number =>
  endsAt === undefined
    ? now + LONGEST_KNOWN_MILLIS
    : (endsAt + GRANT_SLACK_SECONDS) * SECOND + KEPT_MILLIS

/** The member that stands for a grant in the index of its account. */
export const accountMember = ({ id, appId }: Pick<Grant, 'id' | 'appId'>): string =>
  `${id} ${appId}`

/** The member that stands for a grant in the index of what is alive at its app. */
export const liveMember = ({ id, accountId = '' }: Pick<Grant, 'id' | 'accountId'>): string =>
  `${id} ${accountId}`

/** Takes an ended grant out of the indexes. */
export async function leaveIndexes(
  store: Pick<IndexStore, 'removeFromIndex'>,
  id: string,
  { accountId, appId }: { accountId?: string | undefined; appId?: string | undefined },
): Promise<void> {
  if (appId === undefined) return
  await Promise.all([
    store.removeFromIndex(appIndex(appId), [id]),
    store.removeFromIndex(usedIndex(appId), [id]),
    store.removeFromIndex(refreshedIndex(appId), [id]),
    store.removeFromIndex(liveIndex(appId), [liveMember({ id, ...(accountId && { accountId }) })]),
    accountId === undefined
      ? undefined
      : store.removeFromIndex(accountIndex(accountId), [accountMember({ id, appId })]),
  ])
}
