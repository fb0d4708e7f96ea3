// Where people may come back to by links of apps, for each integration. Invariant: it only adds, so
// the release before works on it.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table integrations add column return_addresses jsonb not null default '[]'`.execute(db)
}
