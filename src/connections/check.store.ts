// What checks of connections have shown. Invariant: a check of credentials that were replaced
// meanwhile says nothing about those that are there now.
import { type Database, withDatabase } from '../storage/database.ts'
import type { CheckResult } from './connection.ts'

/** The credentials that were checked. */
export interface CheckedCredentials {
  readonly id: string
  readonly generation: number
}

export interface CheckStore {
  record(checked: CheckedCredentials, result: CheckResult, at: Date): Promise<void>
  /** Ends a connection whose credentials are refused. Returns whether this call did it. */
  expire(checked: CheckedCredentials, at: Date): Promise<boolean>
  /** Notes that the owner was told of this end. Returns whether they had not been. */
  noteEnding(id: string, end: Date): Promise<boolean>
}

/** Creates the store over the database. */
export function createCheckStore(db: Database): CheckStore {
  const changing = ({ id, generation }: CheckedCredentials) =>
    db.updateTable('connections').where('id', '=', id).where('generation', '=', generation)
  return {
    record: (checked, result, at) =>
      withDatabase(async () => {
        await changing(checked).set({ last_checked_at: at, last_check: result }).execute()
      }),

    expire: (checked, at) =>
      withDatabase(async () => {
        const updated = await changing(checked)
          .set({
            status: 'expired',
            status_reason: 'refused_by_provider',
            status_since: at,
            due_at: null,
            updated_at: at,
          })
          .where('status', 'in', ['active', 'failing'])
          .executeTakeFirst()
        return updated.numUpdatedRows > 0n
      }),

    noteEnding: (id, end) =>
      withDatabase(async () => {
        const updated = await db
          .updateTable('connections')
          .set({ ending_told_for: end })
          .where('id', '=', id)
          .where((eb) =>
            eb.or([eb('ending_told_for', 'is', null), eb('ending_told_for', '!=', end)]),
          )
          .executeTakeFirst()
        return updated.numUpdatedRows > 0n
      }),
  }
}
