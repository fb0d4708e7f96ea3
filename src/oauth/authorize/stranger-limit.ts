// How many sign-in pages may be begun by browsers in which nobody is signed in. Each is kept for
// ten minutes, and anybody can open as many as they like. They are refused first, so that tokens,
// sign-ins and revocations have the memory that they need.
import type { BatchedLimit } from '../../http/rate-limit.ts'
import { AppError } from '../../shared/errors.ts'

const RETRY_WHEN_FULL_SECONDS = 30
/** The one key of a count of the whole server. */
const EVERYWHERE = 'all'

/** Lets a sign-in begin. @throws {AppError} `temporarily_unavailable` where there are too many */
export type AdmitStranger = () => void

/** Creates the check. */
export const createStrangerLimit =
  (deps: {
    memory: { isNearlyFull(): boolean }
    everywhere: Pick<BatchedLimit, 'hit'>
  }): AdmitStranger =>
  () => {
    if (deps.memory.isNearlyFull())
      throw new AppError('temporarily_unavailable', {
        detail: 'redis: memory is nearly full',
        retryAfterSeconds: RETRY_WHEN_FULL_SECONDS,
      })
    const outcome = deps.everywhere.hit(EVERYWHERE)
    if (!outcome.allowed)
      throw new AppError('temporarily_unavailable', {
        detail: 'too many sign-ins are begun',
        retryAfterSeconds: outcome.retryAfterSeconds,
      })
  }
