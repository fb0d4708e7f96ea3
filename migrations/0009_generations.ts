// Counters that say from when on what belongs to an account or an app counts, and on each purge job
// the counter of the act that wrote it.
// Invariant: additive, and every default means "nothing was ended yet", so that the release before
// this one goes on working on it.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('accounts')
    .addColumn('generation', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('sessions_from', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('grants_from', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('consents_from', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('sessions_valid_from', 'timestamptz')
    .execute()
  await db.schema
    .alterTable('apps')
    .addColumn('generation', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('grants_from', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('own_from', 'integer', (column) => column.notNull().defaultTo(0))
    .execute()
  await db.schema
    .alterTable('consents')
    .addColumn('account_generation', 'integer', (column) => column.notNull().defaultTo(0))
    .execute()
  await db.schema.alterTable('purge_jobs').addColumn('generation', 'integer').execute()
}
