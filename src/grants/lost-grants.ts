// Grants of a time that the database has lost. What was agreed then, by whom and with which app,
// and what ended it, is known nowhere, so they end.
import { MINUTE, SECOND } from '../shared/clock.ts'
import { keptUntil } from './ended-mark.ts'
import type { Grant } from './grant.ts'
import type { Ended } from './revoke-grant.ts'

// What the database knows last may have been written before what it knows best: events wait a
// while.
const MARGIN_MILLIS = 5 * MINUTE

/** Returns the endings of those grants that began after the database knew the last of anything. */
export function endLostGrants(
  grants: readonly Grant[],
  knownUntilMillis: number,
  now: number,
): Ended[] {
  const from = knownUntilMillis - MARGIN_MILLIS
  return grants
    .filter(({ createdAt }) => createdAt * SECOND >= from)
    .map(({ id, epoch, endsAt }) => ({
      family: id,
      epoch,
      reason: 'admin',
      endedAt: now,
      keepUntil: keptUntil(endsAt, now),
    }))
}
