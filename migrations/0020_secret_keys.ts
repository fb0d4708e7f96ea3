// The server key that made the hash of a client secret, so that `otesse doctor` can say when an
// older key is no longer needed. Invariant: it only adds, so the release before works on it.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('app_secrets').addColumn('key_id', 'text').execute()
}
