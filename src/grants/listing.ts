// The indexes that list grants, by account and by app. Invariants: a grant is listed before it can
// give anything, and for as long as it can, so that whoever ends all grants of an account or app
// finds it; a code that nobody redeems is listed until it ends, and never shown.
import type { Clock } from '../shared/clock.ts'
import { accountMember, leaveIndexes, liveMember } from './ended-mark.ts'
import type { FamilyListing, IndexPlace, IndexStore } from './family-store.ts'
import { accountIndex, appIndex, type Grant, liveIndex, LONGEST_CODE_SECONDS } from './grant.ts'
import { GRANT_SLACK_SECONDS } from './issue.ts'

/** The indexes in which a grant was found. */
export interface ListedIn {
  accountId?: string
  appId?: string
  /** Only a grant that began with a lower generation is meant; another one stays where it is. */
  before?: { account: number } | { app: number }
}

/** A grant as an index lists it. */
export interface Listed extends ListedIn {
  grantId: string
  appId: string
  place: IndexPlace
}

/** Lists up to `limit` grants of an owner, from behind a place on. */
export type WalkGrants = (
  ownerId: string,
  behind: IndexPlace | undefined,
  limit: number,
) => Promise<Listed[]>

// What was redeemed is listed so much longer than it lives, and what ends sooner is a code: so a
// list of what was redeemed is one range of the index, whatever number of codes waits in it.
const APART_MILLIS = LONGEST_CODE_SECONDS * 1000
// A redemption that began in the last moment of its code may still be on its way.
const LATE_MILLIS = 60_000

function accountEntry(member: string): { grantId: string; appId: string } {
  const [grantId = '', appId = ''] = member.split(' ')
  return { grantId, appId }
}

/** What a commit has to list, so that the grant is found until then. */
const entries = (grant: Grant, endsAtMillis: number): FamilyListing => ({
  entries: [
    ...(grant.accountId === undefined
      ? []
      : [{ index: accountIndex(grant.accountId), member: accountMember(grant), endsAtMillis }]),
    { index: appIndex(grant.appId), member: grant.id, endsAtMillis },
  ],
})

/** Creates the lists over their store. */
export function createListing(store: IndexStore, clock: Clock) {
  const shownFrom = () => clock() + APART_MILLIS
  const endedFrom = () => clock() - LATE_MILLIS

  return {
    /** What lists a grant that begins; `codeEndsAt` in seconds since the epoch. */
    begun: (grant: Grant, codeEndsAt: number) => ({
      ...entries(grant, codeEndsAt * 1000),
      nowMillis: clock(),
    }),

    /**
     * What lists a grant that gives tokens, until the last one has ended. What has ended left when
     * it began. Among what is alive it is until its refresh token ends.
     */
    redeemed: (grant: Grant, refreshEndsAt: number): FamilyListing => {
      const endsAtMillis = ((grant.endsAt ?? 0) + GRANT_SLACK_SECONDS) * 1000 + APART_MILLIS
      const alive = {
        index: liveIndex(grant.appId),
        member: liveMember(grant),
        endsAtMillis: refreshEndsAt * 1000,
      }
      return { entries: [...entries(grant, endsAtMillis).entries, alive] }
    },

    /** Takes a grant out of the indexes in which it is known to be. */
    unlist: (id: string, listed: ListedIn): Promise<void> => leaveIndexes(store, id, listed),

    /** Lists an account's grants whose code was redeemed, up to `limit` from `offset`. */
    listOfAccount: async (
      accountId: string,
      offset: number,
      limit: number,
    ): Promise<{ grantId: string; appId: string }[]> => {
      const members = await store.listIndex(accountIndex(accountId), shownFrom(), offset, limit)
      return members.map(accountEntry)
    },

    /** Lists an app's grants for people whose code was redeemed, up to `limit` from `offset`. */
    listOfApp: (appId: string, offset: number, limit: number): Promise<string[]> =>
      store.listIndex(appIndex(appId), shownFrom(), offset, limit),

    /** Lists all grants of an account, codes included, for whoever means to end them. */
    walkOfAccount: (async (accountId, behind, limit) => {
      const places = await store.walkIndex(accountIndex(accountId), endedFrom(), behind, limit)
      return places.map((place) => ({ ...accountEntry(place.member), accountId, place }))
    }) satisfies WalkGrants,

    /** Lists all grants of an app for people, codes included, for whoever means to end them. */
    walkOfApp: (async (appId, behind, limit) => {
      const places = await store.walkIndex(appIndex(appId), endedFrom(), behind, limit)
      return places.map((place) => ({ grantId: place.member, appId, place }))
    }) satisfies WalkGrants,
  }
}

export type Listing = ReturnType<typeof createListing>
