// Administration: versions of accounts and scopes (the ETag of an edit), handles of apps, one-time
// links, idempotency records, and the indexes of the console's lists.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('accounts')
    .addColumn('version', 'integer', (column) => column.notNull().defaultTo(1))
    .execute()
  await db.schema
    .alterTable('scopes')
    .addColumn('version', 'integer', (column) => column.notNull().defaultTo(1))
    .execute()
  await db.schema.alterTable('scopes').addColumn('audience', 'text').execute()
  await db.schema
    .alterTable('apps')
    .addColumn('handle', 'text', (column) => column.unique())
    .execute()
  await db.schema
    .createTable('account_links')
    .addColumn('hash', 'text', (column) => column.primaryKey())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('account_id', 'text', (column) =>
      column.references('accounts.id').onDelete('cascade'),
    )
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .addColumn('expires_at', 'timestamptz', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('account_links_account')
    .on('account_links')
    .column('account_id')
    .execute()
  await db.schema
    .createTable('kept_answers')
    .addColumn('key', 'text', (column) => column.primaryKey())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addColumn('status', 'integer')
    .addColumn('sealed_answer', 'text')
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .addColumn('expires_at', 'timestamptz', (column) => column.notNull())
    .execute()
  await db.schema.createIndex('apps_created').on('apps').columns(['created_at', 'id']).execute()
  await db.schema.createIndex('app_secrets_hash').on('app_secrets').column('hash').execute()
  await db.schema.createIndex('events_name').on('events').columns(['name', 'at', 'id']).execute()
}
