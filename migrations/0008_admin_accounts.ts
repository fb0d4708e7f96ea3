// Finding the admins among a million accounts: asked whenever one of them could be the last, and at each start.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index accounts_admins on accounts (id) where role = 'admin'`.execute(db)
}
