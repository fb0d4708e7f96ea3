// A switch for client_credentials. Web apps that are there keep what they could do until now, so
// that none breaks on the way; new ones begin without. On by default, since the release before this
// one names no value and knows no switch; `apps/app.store.ts` leaves it out where a type cannot
// have it.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('apps')
    .addColumn('client_credentials', 'boolean', (column) => column.notNull().defaultTo(true))
    .execute()
}
