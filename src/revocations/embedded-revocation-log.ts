// The log of a single process: a ring in memory. A restart begins another log, in which no id of
// the earlier one is found, so that whoever followed that is told to forget everything.
import type { Clock } from '../shared/clock.ts'
import { createFollowers } from './followers.ts'
import { isAfter, type LoggedRevocation, type RevocationLog } from './revocation-log.ts'

const CONTACT_MILLIS = 1000

/** Opens the log. */
export function openEmbeddedRevocationLog(clock: Clock, capacity = 10_000): RevocationLog {
  const followers = createFollowers()
  const epoch = clock()
  let count = 0
  const idOf = (number: number): string => `${epoch}-${number}`
  const entries: LoggedRevocation[] = []
  const contact = setInterval(() => followers.onContact(), CONTACT_MILLIS).unref()

  return {
    append({ kind, key }) {
      count += 1
      const entry = { id: idOf(count), kind, key }
      entries.push(entry)
      // Half at once, because taking one at a time from the front moves all the others.
      if (entries.length > capacity) entries.splice(0, Math.ceil(capacity / 2))
      followers.onRevoked(entry)
      return Promise.resolve()
    },
    follow: (follower) => followers.add(follower),
    ready: () => Promise.resolve(),
    position: () => idOf(count),
    readAfter(id, limit) {
      const first = entries[0]
      const isKnown =
        id === idOf(count) ||
        entries.some((entry) => entry.id === id) ||
        // The start of the log is an entry as well, as long as nothing after it is gone.
        (id === idOf(0) && first?.id === idOf(1))
      return Promise.resolve(
        isKnown ? entries.filter((entry) => isAfter(entry.id, id)).slice(0, limit) : undefined,
      )
    },
    [Symbol.asyncDispose]() {
      clearInterval(contact)
      return Promise.resolve()
    },
  }
}
