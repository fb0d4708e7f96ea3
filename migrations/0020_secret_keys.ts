// Which server key made the hash of a client secret, so that "otesse doctor" can say when an older
// key is not needed any more. Invariant: additive, so that the release before goes on working on it.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('app_secrets').addColumn('key_id', 'text').execute()
}
