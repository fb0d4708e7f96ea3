// Tokens of connections that ended and are still to be withdrawn at the provider. Invariant: it
// only adds, so the release before works on it.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // Nothing here refers to the rows that the tokens came from: those are gone, or may go.
  await sql`
    create table withdrawals (
      id uuid primary key default gen_random_uuid(),
      connection_id text not null,
      integration_id text not null,
      integration_handle text not null,
      owner_kind text not null,
      owner_id text not null,
      external_id text not null,
      provider_key text not null,
      client_id text,
      encrypted_client_secret text,
      config jsonb not null default '{}',
      encrypted_access_token text,
      encrypted_refresh_token text,
      reason text not null,
      tries integer not null default 0,
      due_at timestamptz not null,
      created_at timestamptz not null
    )`.execute(db)
  await sql`create index withdrawals_due on withdrawals (due_at)`.execute(db)
  await sql`create index withdrawals_connection on withdrawals (connection_id)`.execute(db)
}
