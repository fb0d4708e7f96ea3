// The orders in which apps and accounts are listed besides the first.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index apps_name on apps (lower(name), id)`.execute(db)
  await sql`create index accounts_created on accounts (created_at, email_key)`.execute(db)
}
