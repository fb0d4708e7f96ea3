// Makes a database that was restored one with what else is there. Invariants: it is one
// transaction, and what it writes down is carried out by the usual ways: endings by catch-up.ts,
// jobs by the purger. Generations move past all that was given in the time that is lost, so that a
// later act ends it like everything else.
import { sql } from 'kysely'
import { type Database, withDatabase } from '../storage/database.ts'
import { createEndedStore, type Ending } from './ended.store.ts'

// More acts than one account or app can have seen in the lost time; some 2,000 times before the
// numbers end.
const STEP = 1_000_000
const AT_ONCE = 1000

/** What is to be written. */
export interface Reconciliation {
  /** The number of endings that Redis knows; 0 where there is none. */
  known: number
  endings: readonly Ending[]
  /** End everything that was given before: all grants, sessions, and tokens of apps. */
  isEverything: boolean
  at: Date
}

/** Reconciles. */
export interface ReconcileStore {
  /** Returns the latest moment of which the database knows anything, in milliseconds. */
  knownUntil(): Promise<number>
  /** Writes all of it, or nothing. @throws {AppError} `temporarily_unavailable` */
  reconcile(reconciliation: Reconciliation): Promise<void>
}

/** Creates the store. */
export function createReconcileStore(db: Database): ReconcileStore {
  return {
    knownUntil: () =>
      withDatabase(async () => {
        const { rows } = await sql<{ millis: number | null }>`
          select (extract(epoch from greatest(
            (select max(at) from events),
            (select max(updated_at) from accounts),
            (select max(updated_at) from apps),
            (select max(updated_at) from consents),
            (select max(ended_at) from ended_grants)
          )) * 1000)::float8 as millis`.execute(db)
        return rows[0]?.millis ?? 0
      }),

    reconcile: ({ known, endings, isEverything, at }) =>
      withDatabase(async () => {
        const raised = sql<number>`generation + ${STEP}::int`
        await db.transaction().execute(async (trx) => {
          await sql`update ended_counter set last = greatest(last, ${known}::bigint)`.execute(trx)
          const ended = createEndedStore(trx)
          for (let from = 0; from < endings.length; from += AT_ONCE)
            await ended.add(endings.slice(from, from + AT_ONCE))
          // A consent that was withdrawn may be back, and so may a link that was used.
          await trx
            .updateTable('accounts')
            .set({
              generation: raised,
              consents_from: raised,
              ...(isEverything && {
                sessions_from: raised,
                grants_from: raised,
                sessions_valid_from: at,
              }),
            })
            .execute()
          await trx.deleteFrom('account_links').execute()
          await trx
            .updateTable('apps')
            .set({
              generation: raised,
              ...(isEverything && { grants_from: raised, own_from: raised }),
            })
            .execute()
          if (isEverything)
            await sql`
              insert into purge_jobs (kind, app_id, reason, generation, created_at, attempts)
              select 'app', id, 'admin', generation, ${at.toISOString()}::timestamptz, 0 from apps`.execute(
              trx,
            )
        })
      }),
  }
}
