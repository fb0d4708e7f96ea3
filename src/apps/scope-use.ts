// How many apps name each scope. Counting reads every app: nothing for thousands of them, a quarter
// of a second for a hundred thousand. So an answer that took long is remembered for a minute and
// renewed in the background. Invariant: an admin always sees what was changed in this process.
import { MINUTE, SECOND } from '../shared/clock.ts'

/** Scope → number of apps; a scope that no app names is absent. */
export type ScopeCounts = ReadonlyMap<string, number>

/** The counter. */
export interface ScopeUse {
  count: () => Promise<ScopeCounts>
  /** Says that an app has changed: what was counted before is not shown any more. */
  forget: () => void
}

const SLOW_MILLIS = 20
const RENEWED_AFTER_MILLIS = 5 * SECOND
const FORGOTTEN_AFTER_MILLIS = MINUTE

/** Creates the counter. @param now monotonic milliseconds */
export function createScopeUse(
  read: () => Promise<ScopeCounts>,
  now: () => number = () => performance.now(),
): ScopeUse {
  let known: { counts: ScopeCounts; at: number; tookMillis: number } | undefined
  let counting: Promise<ScopeCounts> | undefined
  let changes = 0

  async function countNow(): Promise<ScopeCounts> {
    const start = now()
    const before = changes
    const counts = await read()
    if (before === changes) known = { counts, at: now(), tookMillis: now() - start }
    return counts
  }
  function countOnce(): Promise<ScopeCounts> {
    if (counting !== undefined) return counting
    const current = countNow().finally(() => {
      if (counting === current) counting = undefined
    })
    counting = current
    return current
  }

  return {
    async count() {
      if (known === undefined || known.tookMillis < SLOW_MILLIS) return countOnce()
      const age = now() - known.at
      if (age > FORGOTTEN_AFTER_MILLIS) return countOnce()
      // What fails now is counted again by the next one who asks.
      if (age > RENEWED_AFTER_MILLIS) countOnce().catch(() => undefined)
      return known.counts
    },
    forget() {
      changes += 1
      known = undefined
      counting = undefined
    },
  }
}
