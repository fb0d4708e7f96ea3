// What each app's id_tokens are signed with. Apps that are there keep ES256, and so do those that
// the release before this one registers: it names no value.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('apps')
    .addColumn('id_token_signed_response_alg', 'text', (column) =>
      column.notNull().defaultTo('ES256'),
    )
    .execute()
}
