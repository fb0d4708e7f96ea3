// Remembered consents, the pending revocations of whole apps and accounts, and the journal of the
// embedded grant store.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('consents')
    .addColumn('account_id', 'text', (column) =>
      column.notNull().references('accounts.id').onDelete('cascade'),
    )
    .addColumn('app_id', 'text', (column) =>
      column.notNull().references('apps.id').onDelete('cascade'),
    )
    .addColumn('scopes', 'jsonb', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
    .addPrimaryKeyConstraint('consents_key', ['account_id', 'app_id'])
    .execute()
  await db.schema.createIndex('consents_app').on('consents').column('app_id').execute()
  await db.schema
    .createTable('purge_jobs')
    .addColumn('id', 'bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('app_id', 'text')
    .addColumn('account_id', 'text')
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('due_at', 'timestamptz', (column) => column.notNull().defaultTo('epoch'))
    .execute()
  await db.schema
    .createTable('grant_journal')
    .addColumn('key', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint')
    .execute()
}
