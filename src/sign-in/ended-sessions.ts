// Waits for the end of what was signed in with an old password. The job is carried out by whichever
// process takes it first; it was published to all.
import { setTimeout as sleep } from 'node:timers/promises'
import { SECOND } from '../shared/clock.ts'

const PATIENCE_MILLIS = 3 * SECOND
const POLL_MILLIS = 50

/** Resolves once all of it has ended; false where that takes longer than a user waits. */
export type HasEnded = (accountId: string) => Promise<boolean>

/** Creates the wait over the purge jobs. */
export const createHasEnded =
  (jobs: { isPending(accountId: string): Promise<boolean> }): HasEnded =>
  async (accountId) => {
    const deadline = performance.now() + PATIENCE_MILLIS
    while (await jobs.isPending(accountId)) {
      if (performance.now() > deadline) return false
      await sleep(POLL_MILLIS)
    }
    return true
  }
