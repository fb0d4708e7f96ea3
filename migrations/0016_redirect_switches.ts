// Two switches of public apps that widen what may be a redirect URI; off for every app that is
// there. Invariant: it only adds, so the release before works on it.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('apps')
    .addColumn('localhost_any_port', 'boolean', (column) => column.notNull().defaultTo(false))
    .addColumn('schemes_without_domain', 'boolean', (column) => column.notNull().defaultTo(false))
    .execute()
}
