// Links that change the address of an account, or take the change back: the address that they lead
// to.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table account_links add column email text`.execute(db)
}
