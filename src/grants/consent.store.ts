// Remembered consents in the database. Invariants: scopes are only ever added to a row that counts,
// in one statement, so that two consents given at the same moment both count; a consent of before
// the account's `consents_from` does not count, whoever gave it. Called by consents.ts alone.
import { sql } from 'kysely'
import { AppError } from '../shared/errors.ts'
import { type Database, isForeignKeyViolation, withDatabase } from '../storage/database.ts'
import { writePurgeJob } from '../storage/purge-outbox.ts'

/** What an account has allowed an app. */
export interface RememberedConsent {
  appId: string
  /** In alphabetical order. */
  scopes: string[]
  createdAt: Date
  updatedAt: Date
}

/** The purge job of a connection. */
export interface EndedConnection {
  jobId: string
  /** Grants whose `accountGeneration` is lower have ended; undefined where the account is gone. */
  generation: number | undefined
}

/** Keeps consents. */
export interface ConsentStore {
  find(accountId: string, appId: string): Promise<string[] | undefined>
  /** @throws {AppError} `not_found` where the account or the app is gone */
  addScopes(accountId: string, appId: string, scopes: readonly string[], at: Date): Promise<void>
  /** Deletes the row, where there is one, and writes the purge job of the connection. */
  remove(accountId: string, appId: string, reason: string, at: Date): Promise<EndedConnection>
  /** Lists up to `limit`, the latest change first; all where it is absent. */
  listOfAccount(accountId: string, limit?: number): Promise<RememberedConsent[]>
}

/** Creates the store. */
export function createConsentStore(db: Database): ConsentStore {
  return {
    find: (accountId, appId) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('consents')
          .innerJoin('accounts', 'accounts.id', 'consents.account_id')
          .select('consents.scopes')
          .where('consents.account_id', '=', accountId)
          .where('consents.app_id', '=', appId)
          .whereRef('consents.account_generation', '>=', 'accounts.consents_from')
          .executeTakeFirst()
        return row?.scopes
      }),

    addScopes: (accountId, appId, scopes, at) =>
      withDatabase(async () => {
        try {
          await db
            .insertInto('consents')
            .values({
              account_id: accountId,
              app_id: appId,
              scopes: JSON.stringify([...new Set(scopes)].sort()),
              account_generation: sql`coalesce(
                (select generation from accounts where id = ${accountId}), 0)`,
              created_at: at,
              updated_at: at,
            })
            .onConflict((conflict) =>
              conflict.columns(['account_id', 'app_id']).doUpdateSet({
                scopes: sql`case
                  when consents.account_generation >= (
                    select consents_from from accounts where id = excluded.account_id)
                  then (
                    select jsonb_agg(distinct scope order by scope)
                    from jsonb_array_elements(consents.scopes || excluded.scopes) as scope)
                  else excluded.scopes end`,
                account_generation: sql`excluded.account_generation`,
                updated_at: at,
              }),
            )
            .execute()
        } catch (error) {
          if (isForeignKeyViolation(error)) throw new AppError('not_found', { cause: error })
          throw error
        }
      }),

    remove: (accountId, appId, reason, at) =>
      withDatabase(() =>
        db.transaction().execute(async (transaction) => {
          const account = await transaction
            .updateTable('accounts')
            .set({ generation: sql`generation + 1` })
            .where('id', '=', accountId)
            .returning('generation')
            .executeTakeFirst()
          await transaction
            .deleteFrom('consents')
            .where('account_id', '=', accountId)
            .where('app_id', '=', appId)
            .execute()
          const task = { kind: 'connection', accountId, appId, reason } as const
          const jobId = await writePurgeJob(transaction, task, at, account?.generation)
          return { jobId, generation: account?.generation }
        }),
      ),

    listOfAccount: (accountId, limit) =>
      withDatabase(async () => {
        const rows = await db
          .selectFrom('consents')
          .innerJoin('accounts', 'accounts.id', 'consents.account_id')
          .selectAll('consents')
          .where('consents.account_id', '=', accountId)
          .whereRef('consents.account_generation', '>=', 'accounts.consents_from')
          .orderBy('consents.updated_at', 'desc')
          .orderBy('consents.app_id')
          .$if(limit !== undefined, (query) => query.limit(limit ?? 0))
          .execute()
        return rows.map((row) => ({
          appId: row.app_id,
          scopes: row.scopes,
          createdAt: row.created_at,
          updatedAt: row.updated_at,
        }))
      }),
  }
}
