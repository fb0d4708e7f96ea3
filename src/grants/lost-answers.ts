// Commits whose answer was lost: the store may have carried them out, and nobody was told. They are
// taken back before their family is used again, so that an app that was told to try again finds
// everything as it was. Invariant: what was answered to anybody is never taken back, because an
// undo expects a record of its own commit, unused.
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../shared/errors.ts'
import type { FamilyChange } from './family-store.ts'

const RETRY_FIRST_MILLIS = 50
const RETRY_LAST_MILLIS = 1000
// By then an app that was told to try again has done so or never will.
const GIVE_UP_MILLIS = 600_000
/** How long a second try waits for what the first one left. */
const PATIENCE_MILLIS = 1500

/** Keeps what has to be taken back. */
export interface LostAnswers {
  /**
   * Begins to take a commit back, and goes on until the store has answered.
   *
   * @param deadline the time of the store after which the commit itself is refused: an undo that
   * came earlier may have come before it
   * @returns resolves when it is done; never rejects
   */
  takeBack(family: string, undo: FamilyChange, deadline: number): Promise<void>
  /**
   * Resolves when nothing of the family is left to take back.
   *
   * @throws {AppError} `temporarily_unavailable`
   */
  settled(family: string): Promise<void> | undefined
}

/** Creates the keeper. @param carryOut commits the undo, returns the store's time of that moment */
export function createLostAnswers(
  carryOut: (family: string, undo: FamilyChange) => Promise<number>,
): LostAnswers {
  const pending = new Map<string, Promise<void>>()

  async function untilDone(family: string, undo: FamilyChange, deadline: number): Promise<void> {
    const giveUpAt = performance.now() + GIVE_UP_MILLIS
    for (let wait = RETRY_FIRST_MILLIS; performance.now() < giveUpAt;) {
      try {
        if ((await carryOut(family, undo)) > deadline) return
      } catch {
        // Still away; whoever waits is told so by `settled`.
      }
      await sleep(wait, undefined, { ref: false })
      wait = Math.min(wait * 2, RETRY_LAST_MILLIS)
    }
  }

  return {
    takeBack(family, undo, deadline) {
      const all = Promise.all([pending.get(family), untilDone(family, undo, deadline)]).then(() => {
        if (pending.get(family) === all) pending.delete(family)
      })
      pending.set(family, all)
      return all
    },
    settled: (family) => {
      const waiting = pending.get(family)
      if (waiting === undefined) return undefined
      const patience = sleep(PATIENCE_MILLIS, undefined, { ref: false }).then(() => {
        throw new AppError('temporarily_unavailable', {
          detail: 'a lost commit is being taken back',
          retryAfterSeconds: 2,
        })
      })
      return Promise.race([waiting, patience])
    },
  }
}
