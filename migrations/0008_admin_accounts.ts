// Finds the admins among a million accounts. The server looks for them at each start, and whenever
// a change could remove the last one.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index accounts_admins on accounts (id) where role = 'admin'`.execute(db)
}
