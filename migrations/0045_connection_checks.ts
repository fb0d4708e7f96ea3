// Keys are tried again each week, and owners are told before an access ends. Invariant: it only
// adds and fills in, so the release before works on it.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table connections add column ending_told_for timestamptz`.execute(db)
  // Those of before are spread over a week.
  await sql`
    update connections c set due_at = now() + random() * interval '7 days'
    from integrations i
    where i.id = c.integration_id and i.kind = 'keys' and c.due_at is null
      and c.status = 'active'`.execute(db)
}
