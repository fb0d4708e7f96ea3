// The written-down revocations of whole accounts, apps and connections. Invariant: a job is held by
// one process at a time, for as long as its lease, and leaves the table only when it is done. A
// lease and not a lock: PGlite has one connection, on which the embedded store writes too, and a
// transaction held open over a revocation would wait for itself.
import { sql } from 'kysely'
import { type Database, withDatabase } from '../storage/database.ts'
import { type PurgeTask, writePurgeJob } from '../storage/purge-outbox.ts'
import type { IndexPlace } from './family-store.ts'

/** A task that this process holds. */
export interface PurgeJob {
  id: string
  /** How often it was begun since it last came further, this time included. */
  attempts: number
  task: PurgeTask
  /**
   * The task means grants with a lower generation: of the app (`appGeneration`) where it is about
   * an app, otherwise of the account. Absent: all of them.
   */
  generation: number | undefined
  /** How far the task has come; absent where nothing of it is done. */
  progress: PurgeProgress | undefined
}

/** How far a task has come. */
export interface PurgeProgress {
  /** Every grant up to here has ended, or stays. Absent: none was looked at yet. */
  behind?: IndexPlace
}

/** Whose grants a task is about: their jobs take turns with those of others. */
export const ownerOf = (task: PurgeTask): string =>
  task.kind === 'app' ? task.appId : task.accountId

/** Keeps purge jobs. */
export interface PurgeJobStore {
  /** Writes a task down; whoever shuts an app or an account down does it in the transaction of that. */
  add(task: PurgeTask, at: Date): Promise<void>
  /**
   * Takes the job that is due and has waited longest for its turn, and holds it until `leaseEnd`;
   * no other process gets it before.
   *
   * @param except owners whose jobs are passed over
   */
  claim(now: Date, leaseEnd: Date, except?: readonly string[]): Promise<PurgeJob | undefined>
  /**
   * Writes down how far a held job has come, and when it is due next: at once, or later to go on
   * holding it.
   */
  saveProgress(id: string, progress: PurgeProgress, dueAt: Date): Promise<void>
  /** Gives a held job back, which failed and is tried again at that time. */
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
        await writePurgeJob(db, task, at)
      }),

    claim: (now, leaseEnd, except = []) =>
      withDatabase(async () => {
        const row = await db
          .updateTable('purge_jobs')
          .set({ due_at: leaseEnd, attempts: sql`attempts + 1` })
          .where('id', '=', (query) =>
            query
              .selectFrom('purge_jobs')
              .select('id')
              .where('due_at', '<=', now)
              .$if(except.length > 0, (jobs) =>
                jobs.where(sql`coalesce(account_id, app_id)`, 'not in', except),
              )
              // A new job is due since ever, and waits since it was written down.
              .orderBy(sql`greatest(due_at, created_at)`)
              .orderBy('id')
              .limit(1)
              .forUpdate()
              .skipLocked(),
          )
          .returning(['id', 'attempts', 'kind', 'app_id', 'account_id', 'reason', 'generation'])
          .returning('progress')
          .executeTakeFirst()
        return (
          row && {
            id: row.id,
            attempts: row.attempts,
            task: toTask(row),
            generation: row.generation ?? undefined,
            progress: row.progress ?? undefined,
          }
        )
      }),

    saveProgress: (id, progress, dueAt) =>
      withDatabase(async () => {
        await db
          .updateTable('purge_jobs')
          .set({ due_at: dueAt, attempts: 0, progress: JSON.stringify(progress) })
          .where('id', '=', id)
          .execute()
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
