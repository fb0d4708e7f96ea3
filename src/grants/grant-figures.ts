// How many grants are alive, of how many people, and when they were used: from the indexes, which
// tell it without reading a grant. Invariant: nothing here is on the path of a token. The indexes
// of what is alive are made true from the grants themselves now and then: for grants that began
// under an earlier release, and where an answer of the store was lost.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, HOUR, SECOND } from '../shared/clock.ts'
import { appFamily } from './app-tokens.ts'
import { liveMember } from './ended-mark.ts'
import type { FamilyStore, IndexPlace, IndexStore } from './family-store.ts'
import {
  type Grant,
  GRANT,
  liveIndex,
  parseRecord,
  REFRESH,
  refreshedIndex,
  type RefreshRecord,
  usedIndex,
} from './grant.ts'
import { REMEMBERED_MILLIS } from './grant-uses.ts'
import type { WalkGrants } from './listing.ts'

const BATCH = 500
/** How many grants are read at once: the loop that reads them also serves tokens. */
const READ_AT_ONCE = 100

/** What was sampled of one app. */
export interface AppSample {
  live: number
  /** Whose grants are alive. */
  accountIds: ReadonlySet<string>
  /** How many of them were used in the last hour. */
  used: number
  /** The last use of any token of the app; its own are none of a person's. */
  lastUsedAt: Date | undefined
}

/** When a grant was used and refreshed. */
export interface GrantTimes {
  lastUsedAt: Date | undefined
  lastRefreshedAt: Date | undefined
  /** The end of its refresh token. */
  endsAt: Date | undefined
}

interface FiguresDeps {
  store: Pick<FamilyStore, 'read'> & IndexStore
  walkOfApp: WalkGrants
  clock: Clock
}

/** Creates the figures. */
export function createGrantFigures(deps: FiguresDeps) {
  return {
    countLive: (appId: string): Promise<number> =>
      deps.store.countIndex(liveIndex(appId), deps.clock()),
    sampleApp: sampleApp.bind(undefined, deps),
    timesOf: timesOf.bind(undefined, deps),
    makeTrue: makeTrue.bind(undefined, deps),
  }
}

export type GrantFigures = ReturnType<typeof createGrantFigures>

/** Walks past the members of an index that have not ended. */
async function* membersOf(store: IndexStore, index: string, now: number): AsyncGenerator<string> {
  let behind: IndexPlace | undefined
  do {
    const places = await store.walkIndex(index, now, behind, BATCH)
    for (const { member } of places) yield member
    behind = places.length < BATCH ? undefined : places.at(-1)
  } while (behind !== undefined)
}

/** Counts one app. */
async function sampleApp({ store, clock }: FiguresDeps, appId: string): Promise<AppSample> {
  const now = clock()
  const accountIds = new Set<string>()
  let live = 0
  for await (const member of membersOf(store, liveIndex(appId), now)) {
    live += 1
    const accountId = member.slice(member.indexOf(' ') + 1)
    if (accountId !== '') accountIds.add(accountId)
  }
  const anHourAgo = now - HOUR + REMEMBERED_MILLIS
  const [used, [ownUsed]] = await Promise.all([
    store.countIndex(usedIndex(appId), anHourAgo),
    store.endsInIndex(usedIndex(appId), [appFamily(appId)]),
  ])
  return {
    live,
    accountIds,
    used: used - (ownUsed !== undefined && ownUsed > anHourAgo ? 1 : 0),
    lastUsedAt: await lastUseOf(store, appId, now),
  }
}

/** Finds the last use of an app: the highest of its members. */
async function lastUseOf(store: IndexStore, appId: string, now: number): Promise<Date | undefined> {
  const total = await store.countIndex(usedIndex(appId), now)
  if (total === 0) return undefined
  const [last = ''] = await store.listIndex(usedIndex(appId), now, total - 1, 1)
  const [end] = await store.endsInIndex(usedIndex(appId), [last])
  return timeOf(end)
}

const timeOf = (end: number | undefined): Date | undefined =>
  end === undefined ? undefined : new Date(end - REMEMBERED_MILLIS)

/** Tells when grants of one app were used and refreshed, in their order. */
async function timesOf(
  { store }: FiguresDeps,
  appId: string,
  grants: readonly Pick<Grant, 'id' | 'accountId'>[],
): Promise<GrantTimes[]> {
  const ids = grants.map(({ id }) => id)
  const [used, refreshed, ends] = await Promise.all([
    store.endsInIndex(usedIndex(appId), ids),
    store.endsInIndex(refreshedIndex(appId), ids),
    store.endsInIndex(liveIndex(appId), grants.map(liveMember)),
  ])
  return grants.map((_, at) => {
    const end = ends[at]
    return {
      lastUsedAt: timeOf(used[at]),
      lastRefreshedAt: timeOf(refreshed[at]),
      endsAt: end === undefined ? undefined : new Date(end),
    }
  })
}

/**
 * Makes the index of what is alive at an app agree with its grants, and rests as long as it works.
 * Returns how many there are.
 *
 * @throws what `signal` was aborted with
 */
async function makeTrue(
  { store, walkOfApp, clock }: FiguresDeps,
  appId: string,
  signal?: AbortSignal,
): Promise<number> {
  const alive = new Set<string>()
  let behind: IndexPlace | undefined
  do {
    signal?.throwIfAborted()
    const began = performance.now()
    const batch = await walkOfApp(appId, behind, READ_AT_ONCE)
    const places = await Promise.all(batch.map(({ grantId }) => placeOf(store, clock, grantId)))
    const found = places.filter((place) => place !== undefined)
    for (const { member } of found) alive.add(member)
    await store.raiseInIndex(liveIndex(appId), found, { nowMillis: clock() })
    behind = batch.length < READ_AT_ONCE ? undefined : batch.at(-1)?.place
    if (behind !== undefined) await sleep(performance.now() - began)
  } while (behind !== undefined)
  const listed: string[] = []
  for await (const member of membersOf(store, liveIndex(appId), clock())) listed.push(member)
  const gone = listed.filter((member) => !alive.has(member))
  for (let at = 0; at < gone.length; at += BATCH) {
    // One that began meanwhile is no mistake.
    const batch = gone.slice(at, at + BATCH)
    const places = await Promise.all(
      batch.map((member) => placeOf(store, clock, member.slice(0, member.indexOf(' ')))),
    )
    const ended = batch.filter((_, place) => places[place] === undefined)
    await store.removeFromIndex(liveIndex(appId), ended)
  }
  return alive.size
}

/** Where a grant belongs in the index; `undefined` where it is not alive, or gives nothing yet. */
async function placeOf(
  store: Pick<FamilyStore, 'read'>,
  clock: Clock,
  grantId: string,
): Promise<IndexPlace | undefined> {
  const [grantText, refreshText] = await store.read(grantId, [GRANT, REFRESH])
  if (grantText === undefined || refreshText === undefined) return undefined
  const endsAtMillis = parseRecord<RefreshRecord>(refreshText).expiresAt * SECOND
  if (endsAtMillis <= clock()) return undefined
  return { member: liveMember(parseRecord<Grant>(grantText)), endsAtMillis }
}
