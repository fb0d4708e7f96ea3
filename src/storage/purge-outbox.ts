// Purge jobs are written in the transaction that ends something: of an app, an account or a
// connection. This is their one insert; grants/purge.ts carries them out. Invariant: what has ended
// and the job that removes what is left of it are saved together, or neither is.
import type { Kysely } from 'kysely'
import type { Tables } from './schema.ts'

/** What to revoke, and the reason that each revoked grant will carry. */
export type PurgeTask =
  | { kind: 'app'; appId: string; reason: string }
  | { kind: 'account'; accountId: string; reason: string }
  | { kind: 'connection'; accountId: string; appId: string; reason: string }

/**
 * Writes a job and returns its id.
 *
 * @param db the transaction that ends what the task is about
 * @param generation grants with a lower one are meant: of the app where the task is about an app,
 * otherwise of the account; absent: all of them
 */
export async function writePurgeJob(
  db: Kysely<Tables>,
  task: PurgeTask,
  at: Date,
  generation?: number,
): Promise<string> {
  const { id } = await db
    .insertInto('purge_jobs')
    .values({
      kind: task.kind,
      app_id: task.kind === 'account' ? null : task.appId,
      account_id: task.kind === 'app' ? null : task.accountId,
      reason: task.reason,
      generation: generation ?? null,
      created_at: at,
      attempts: 0,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}
