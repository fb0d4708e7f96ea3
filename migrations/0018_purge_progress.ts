// How far a purge has come: it works in turns with others, and goes on where it was after a crash.
// Invariant: additive, so that the release before this one goes on working on it.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('purge_jobs').addColumn('progress', 'jsonb').execute()
}
