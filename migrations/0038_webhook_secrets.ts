// The secrets by which providers sign the calls that they make to us, encrypted: several of an
// integration while one is being changed. Invariant: it only adds, so the release before works on
// it.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table webhook_secrets (
      id text primary key,
      integration_id text not null references integrations (id) on delete cascade,
      encrypted_value text not null,
      created_at timestamptz not null
    )`.execute(db)
  await sql`
    create index webhook_secrets_integration on webhook_secrets (integration_id)`.execute(db)
}
