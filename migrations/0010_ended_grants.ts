// What was ended is written down before it is answered, so that a Redis that lost its last writes,
// or is a copy of yesterday's, can be told again.
// The counter gives the rows their order: it is raised in the statement that inserts, so that a
// number that can be read has no smaller one to come.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('ended_grants')
    .addColumn('seq', 'bigint', (column) => column.primaryKey())
    .addColumn('family', 'text', (column) => column.notNull())
    .addColumn('token', 'text')
    .addColumn('epoch', 'text')
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('ended_at', 'timestamptz', (column) => column.notNull())
    .addColumn('keep_until', 'timestamptz', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('ended_grants_keep_until')
    .on('ended_grants')
    .column('keep_until')
    .execute()
  await db.schema
    .createTable('ended_counter')
    .addColumn('only', 'boolean', (column) =>
      column
        .primaryKey()
        .defaultTo(true)
        .check(sql`"only"`),
    )
    .addColumn('last', 'bigint', (column) => column.notNull())
    .execute()
  await sql`insert into ended_counter ("only", last) values (true, 0)`.execute(db)
}
