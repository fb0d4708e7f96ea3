// Tells a scope that was removed and created again apart from the one before: whatever names the
// earlier one (tokens, consents) has nothing of the
// later one. The first scope of a name has incarnation 0, so nothing that is stored already has to
// change.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('scopes')
    .addColumn('incarnation', 'integer', (column) => column.notNull().defaultTo(0))
    .execute()
  await db.schema
    .createTable('removed_scopes')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('removals', 'integer', (column) => column.notNull())
    .execute()
}
