// The outbox: what is to be delivered, written in the transaction of the act that causes it. Mail
// now; other kinds are rows of the same table. Invariant: bodies are encrypted, each bound to its
// row. `mail_refused_at` marks an address that a mail server refused for good.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table deliveries (
      id text primary key,
      kind text not null,
      purpose text not null,
      recipient text,
      account_id text references accounts (id) on delete set null,
      encrypted_body text,
      created_at timestamptz not null,
      expires_at timestamptz,
      due_at timestamptz,
      attempts integer not null default 0,
      last_answer text,
      ended_at timestamptz,
      outcome text check (outcome in ('sent', 'dropped')),
      drop_reason text
    )`.execute(db)
  await sql`create index deliveries_due on deliveries (due_at) where due_at is not null`.execute(db)
  await sql`create index deliveries_created on deliveries (created_at, id)`.execute(db)
  await sql`create index deliveries_account on deliveries (account_id)`.execute(db)
  await sql`alter table accounts add column mail_refused_at timestamptz`.execute(db)
}
