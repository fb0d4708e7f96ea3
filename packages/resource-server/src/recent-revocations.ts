// The revocations of the last seconds: an answer that the server was asked for before one of them
// arrived may be older than it. Invariant: whatever is not remembered here any more counts as
// overtaken, never as safe.

// By then every process of the server has heard of a change of an app or an account.
const SETTLE_MILLIS = 2000
const MOST_REMEMBERED = 50_000

interface Arrival {
  readonly sequence: number
  readonly at: number
}

/**
 * Creates the list.
 *
 * @param keepMillis as long as a question can take
 */
export function createRecentRevocations(keepMillis: number) {
  const arrivals = new Map<string, Arrival>()
  let sequence = 0
  let floor = 0

  function prune(now: number): void {
    for (const [name, { at }] of arrivals) {
      if (now - at <= keepMillis + SETTLE_MILLIS) return
      arrivals.delete(name)
    }
  }

  return {
    /** Returns a mark of this moment, taken before a question. */
    mark: (): number => sequence,
    note(name: string, now: number): void {
      sequence += 1
      prune(now)
      if (arrivals.size >= MOST_REMEMBERED) {
        arrivals.clear()
        floor = sequence
      }
      // Taken out first, so that the order stays that of arrival.
      arrivals.delete(name)
      arrivals.set(name, { sequence, at: now })
    },
    /** Everything was revoked, for all that is known. */
    noteAll(): void {
      sequence += 1
      floor = sequence
      arrivals.clear()
    },
    /** Returns whether one of the names was revoked after the mark. */
    hasOvertaken: (mark: number, names: readonly string[]): boolean =>
      floor > mark || names.some((name) => (arrivals.get(name)?.sequence ?? 0) > mark),
    /** Returns whether a change is so new that a process of the server may not have heard of it. */
    isSettling: (names: readonly string[], now: number): boolean =>
      names.some((name) => {
        const arrival = arrivals.get(name)
        return arrival !== undefined && now - arrival.at < SETTLE_MILLIS
      }),
  }
}
