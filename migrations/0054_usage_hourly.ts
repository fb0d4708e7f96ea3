// Sums by hour beside those by day, samples of what is alive, and the indexes by which pages find
// one app's figures and the events behind them.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('usage_hourly')
    .addColumn('hour', 'timestamptz', (column) => column.notNull())
    .addColumn('app_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('count', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('usage_hourly_key', ['hour', 'app_id', 'name', 'reason'])
    .execute()
  await db.schema
    .createIndex('usage_hourly_app')
    .on('usage_hourly')
    .columns(['app_id', 'hour'])
    .execute()
  await db.schema
    .createIndex('usage_daily_app')
    .on('usage_daily')
    .columns(['app_id', 'day'])
    .execute()
  await db.schema
    .createTable('usage_gauges')
    .addColumn('at', 'timestamptz', (column) => column.notNull())
    .addColumn('app_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('value', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('usage_gauges_key', ['at', 'app_id', 'name'])
    .execute()
  await db.schema
    .createIndex('usage_gauges_app')
    .on('usage_gauges')
    .columns(['app_id', 'at'])
    .execute()
  await db.schema
    .createIndex('events_kind')
    .on('events')
    .columns(['app_id', 'name', 'reason', 'at'])
    .execute()
}
