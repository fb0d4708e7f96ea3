// When grants were used and refreshed last, for people who look after them. Kept in memory and
// written in the background, so that a check of a token pays one look into a map. Invariants: at
// most one write of a use per grant in five minutes per process; nothing here rejects into a
// request; what is lost with a process is at most a few seconds of uses, never more.
import { type Clock, DAY, MINUTE, SECOND } from '../shared/clock.ts'
import type { Logger } from '../shared/logger.ts'
import type { IndexPlace, IndexStore } from './family-store.ts'
import { type Grant, liveIndex, refreshedIndex, usedIndex } from './grant.ts'
import { liveMember } from './ended-mark.ts'

/** How long after it a use or refresh is remembered: longer than any grant lives. */
export const REMEMBERED_MILLIS = 400 * DAY
/** How far behind the last use may be. */
export const USE_MILLIS = 5 * MINUTE
const FLUSH_MILLIS = 5 * SECOND
/**
 * Of so many grants the last use is known; the others wait until one of them is five minutes old.
 */
const MOST_KNOWN = 200_000

/** What is written of one app. */
interface Pending {
  used: IndexPlace[]
  /** Ends by member: an app that refreshes without pause is written once. */
  refreshed: Map<string, number>
  prolonged: Map<string, number>
}

/** Notes uses and refreshes. Disposing writes what waits. */
export interface GrantUses extends AsyncDisposable {
  /** Notes that an access token of the grant was good for something just now. */
  used: (grant: Grant) => void
  /**
   * Notes a refresh.
   *
   * @param prolongedTo the end of the refresh token, in seconds since the epoch, where it is
   * another one now
   */
  refreshed: (grant: Grant, prolongedTo: number | undefined) => void
  /** Writes what waits; returns false where the store refused it (it waits on). */
  flush(): Promise<boolean>
}

/** Opens the notes; none of their timers keeps the process alive. */
export function openGrantUses({
  store,
  clock,
  logger,
  flushEveryMillis = FLUSH_MILLIS,
}: {
  store: Pick<IndexStore, 'raiseInIndex'>
  clock: Clock
  logger: Logger
  flushEveryMillis?: number
}): GrantUses {
  /** When each grant was noted last, the earliest first. */
  const known = new Map<string, number>()
  let pending = new Map<string, Pending>()
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<boolean> | undefined
  let isClosed = false

  function pendingOf(appId: string): Pending {
    let found = pending.get(appId)
    if (found === undefined) {
      found = { used: [], refreshed: new Map(), prolonged: new Map() }
      pending.set(appId, found)
    }
    if (!isClosed) timer ??= setTimeout(() => void flush(), flushEveryMillis).unref()
    return found
  }

  function forgetOld(now: number): void {
    for (const [id, at] of known) {
      if (now - at < USE_MILLIS && at <= now) return
      known.delete(id)
    }
  }

  function note({ id, appId }: Grant, now: number): void {
    known.delete(id)
    if (known.size >= MOST_KNOWN) forgetOld(now)
    if (known.size >= MOST_KNOWN) return
    known.set(id, now)
    pendingOf(appId).used.push({ member: id, endsAtMillis: now + REMEMBERED_MILLIS })
  }

  function flush(): Promise<boolean> {
    writing ??= write().finally(() => {
      writing = undefined
    })
    return writing
  }

  async function write(): Promise<boolean> {
    clearTimeout(timer)
    timer = undefined
    const nowMillis = clock()
    forgetOld(nowMillis)
    const batch = pending
    pending = new Map()
    let isWritten = true
    for (const [appId, { used, refreshed, prolonged }] of batch)
      try {
        await store.raiseInIndex(usedIndex(appId), used, { nowMillis })
        await store.raiseInIndex(refreshedIndex(appId), placesOf(refreshed), { nowMillis })
        // Only what is still there: a grant that has ended meanwhile stays away.
        await store.raiseInIndex(liveIndex(appId), placesOf(prolonged), {
          nowMillis,
          onlyListed: true,
        })
      } catch (error) {
        if (isWritten) logger.warn({ err: error }, 'the last uses of grants could not be written')
        isWritten = false
        const again = pendingOf(appId)
        again.used.push(...used)
        keepLater(again.refreshed, refreshed)
        keepLater(again.prolonged, prolonged)
      }
    return isWritten
  }

  return {
    used(grant) {
      const now = clock()
      const at = known.get(grant.id)
      if (at === undefined || now - at >= USE_MILLIS || at > now) note(grant, now)
    },
    refreshed(grant, prolongedTo) {
      const waiting = pendingOf(grant.appId)
      waiting.refreshed.set(grant.id, clock() + REMEMBERED_MILLIS)
      if (prolongedTo !== undefined) waiting.prolonged.set(liveMember(grant), prolongedTo * SECOND)
    },
    async flush() {
      if (writing !== undefined && !(await writing)) return false
      return flush()
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearTimeout(timer)
      await flush()
    },
  }
}

const placesOf = (ends: ReadonlyMap<string, number>): IndexPlace[] =>
  Array.from(ends, ([member, endsAtMillis]) => ({ member, endsAtMillis }))

/** What was noted meanwhile is newer. */
function keepLater(kept: Map<string, number>, before: ReadonlyMap<string, number>): void {
  for (const [member, end] of before) if (!kept.has(member)) kept.set(member, end)
}
