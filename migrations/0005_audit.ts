// What happened (append-only) and how often it happened on each day.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('events')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('at', 'timestamptz', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('app_id', 'text')
    .addColumn('account_id', 'text')
    .addColumn('grant_id', 'text')
    .addColumn('actor', 'text')
    .addColumn('address', 'text')
    .addColumn('request_id', 'text')
    .addColumn('data', 'jsonb')
    .execute()
  await db.schema.createIndex('events_at').on('events').columns(['at', 'id']).execute()
  await db.schema.createIndex('events_app').on('events').columns(['app_id', 'at']).execute()
  await db.schema.createIndex('events_account').on('events').columns(['account_id', 'at']).execute()
  await db.schema
    .createTable('usage_daily')
    .addColumn('day', 'date', (column) => column.notNull())
    .addColumn('app_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('count', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('usage_daily_key', ['day', 'app_id', 'name', 'reason'])
    .execute()
}
