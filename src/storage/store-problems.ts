// Tells a problem of a store, which an operator can mend, from a defect of ours. Called by whatever
// starts: the server, the commands and `otesse doctor`.
import { AppError, isUnavailable } from '../shared/errors.ts'
import { stateOf } from './database-errors.ts'
import { postgresProblem } from './postgres-problems.ts'
import { redisProblem } from './redis-problems.ts'

/** A store that cannot be used as it is or as it is configured; the message is for the operator. */
export class StoreRefused extends Error {}

/**
 * Returns the sentence that says what is wrong with a store and what mends it, or undefined where
 * the error is about something else.
 */
export function storeProblem(error: unknown): string | undefined {
  if (error instanceof StoreRefused) return error.message
  if (error instanceof AppError && isUnavailable(error)) {
    const { cause, detail = '' } = error
    if (detail.startsWith('redis')) return redisProblem(cause ?? detail)
    return detail === 'database' ? postgresProblem(cause) : undefined
  }
  // A statement of a start or a migration that Postgres refuses for what the role may not do.
  return stateOf(error)?.startsWith('42') === true ? postgresProblem(error) : undefined
}
