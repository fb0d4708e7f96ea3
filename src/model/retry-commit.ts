// The loop around every change of a family: read, decide, commit, and read again where somebody
// else committed first. Invariant: it has one ending. Whoever loses at every attempt is told to try
// again; contention is never told as a refusal, which an app would take for the end.
import { AppError } from '../shared/errors.ts'

/** How often a commit is tried again after losing against another one, before giving up. */
const ATTEMPTS = 4

/** What a round returns when its commit lost. */
export const LOST = Symbol('lost')

/**
 * Runs rounds until one comes to an end.
 *
 * @param round reads, decides, and commits at the most once
 * @throws {AppError} `temporarily_unavailable` where every attempt lost
 */
export async function retryCommit<T>(round: () => Promise<T | typeof LOST>): Promise<T> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const outcome = await round()
    if (outcome !== LOST) return outcome
  }
  throw new AppError('temporarily_unavailable', {
    detail: 'a family changed at every attempt',
    retryAfterSeconds: 1,
  })
}
