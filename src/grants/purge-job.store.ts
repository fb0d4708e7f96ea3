// The written-down revocations of whole accounts, apps and connections. Invariant: a job is held by one process at a time, for as long as its
// lease, and leaves the table only when it is done. A lease and not a lock: PGlite has one connection, on which the embedded store writes too,
// and a transaction held open over a revocation would wait for itself.
import { sql } from 'kysely'
import { type Database, withDatabase } from '../storage/database.ts'

/** What to revoke, and the reason that each revoked grant will carry. */
export type PurgeTask =
  | { kind: 'app'; appId: string; reason: string }
  | { kind: 'account'; accountId: string; reason: string }
  | { kind: 'connection'; accountId: string; appId: string; reason: string }

/** A task that this process holds. */
export interface PurgeJob {
  id: string
  /** How often it was begun, this time included. */
  attempts: number
  task: PurgeTask
  /**
   * The task means grants with a lower generation: of the app (`appGeneration`) where it is about
   * an app, otherwise of the account. Absent:
   * all of them.
   */
  generation: number | undefined
}

/** Keeps purge jobs. */
export interface PurgeJobStore {
  /** Writes a task down; whoever shuts an app or an account down does it in the transaction of that. */
  add(task: PurgeTask, at: Date): Promise<void>
  /** Takes the oldest job that is due and holds it until `leaseEnd`; no other process gets it before. */
  claim(now: Date, leaseEnd: Date): Promise<PurgeJob | undefined>
  /** Makes a held job due at another time: later to hold it longer or to try it again then. */
  postpone(id: string, dueAt: Date): Promise<void>
  remove(id: string): Promise<void>
  /** Returns whether a job about the whole account is not done. */
  isPending(accountId: string): Promise<boolean>
  /** Returns how many are not done, held ones included. */
  count(): Promise<number>
  /** Returns how many were written down before that time and are not done. */
  countOlderThan(before: Date): Promise<number>
}

/** Creates the store. */
export function createPurgeJobStore(db: Database): PurgeJobStore {
  return {
    add: (task, at) =>
      withDatabase(async () => {
        await db
          .insertInto('purge_jobs')
          .values({
            kind: task.kind,
            app_id: task.kind === 'account' ? null : task.appId,
            account_id: task.kind === 'app' ? null : task.accountId,
            reason: task.reason,
            created_at: at,
            attempts: 0,
          })
          .execute()
      }),

    claim: (now, leaseEnd) =>
      withDatabase(async () => {
        const row = await db
          .updateTable('purge_jobs')
          .set({ due_at: leaseEnd, attempts: sql`attempts + 1` })
          .where('id', '=', (query) =>
            query
              .selectFrom('purge_jobs')
              .select('id')
              .where('due_at', '<=', now)
              .orderBy('id')
              .limit(1)
              .forUpdate()
              .skipLocked(),
          )
          .returning(['id', 'attempts', 'kind', 'app_id', 'account_id', 'reason', 'generation'])
          .executeTakeFirst()
        return (
          row && {
            id: row.id,
            attempts: row.attempts,
            task: toTask(row),
            generation: row.generation ?? undefined,
          }
        )
      }),

    postpone: (id, dueAt) =>
      withDatabase(async () => {
        await db.updateTable('purge_jobs').set({ due_at: dueAt }).where('id', '=', id).execute()
      }),

    remove: (id) =>
      withDatabase(async () => {
        await db.deleteFrom('purge_jobs').where('id', '=', id).execute()
      }),

    isPending: (accountId) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('purge_jobs')
          .select('id')
          .where('kind', '=', 'account')
          .where('account_id', '=', accountId)
          .executeTakeFirst()
        return row !== undefined
      }),

    count: () =>
      withDatabase(async () => {
        const { count } = await db
          .selectFrom('purge_jobs')
          .select((query) => query.fn.countAll<string>().as('count'))
          .executeTakeFirstOrThrow()
        return Number(count)
      }),

    countOlderThan: (before) =>
      withDatabase(async () => {
        const { count } = await db
          .selectFrom('purge_jobs')
          .select((query) => query.fn.countAll<string>().as('count'))
          .where('created_at', '<', before)
          .executeTakeFirstOrThrow()
        return Number(count)
      }),
  }
}

function toTask(row: {
  kind: PurgeTask['kind']
  app_id: string | null
  account_id: string | null
  reason: string
}): PurgeTask {
  const { kind, reason, app_id: appId, account_id: accountId } = row
  if (kind === 'app' && appId !== null) return { kind, appId, reason }
  if (kind === 'account' && accountId !== null) return { kind, accountId, reason }
  if (kind === 'connection' && appId !== null && accountId !== null)
    return { kind, accountId, appId, reason }
  throw new Error(`a purge job of kind ${kind} does not say whose grants it means`)
}
