// Keeps the lists of the console fast with 100,000 apps and a million accounts: an index for each
// order and filter, and trigram indexes for parts of names and addresses. Trigrams need the
// extension pg_trgm, which every owner of a database may install. Where Postgres lacks it (PGlite,
// some hosts), searching reads the table and everything else is the same.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createIndex('apps_status')
    .on('apps')
    .columns(['status', 'created_at', 'id'])
    .execute()
  await db.schema
    .createIndex('accounts_status')
    .on('accounts')
    .columns(['status', 'email_key'])
    .execute()
  await db.schema
    .createIndex('accounts_role')
    .on('accounts')
    .columns(['role', 'email_key'])
    .execute()
  // Which apps may ask for a scope: scopes @> '["…"]'.
  await sql`create index apps_scopes on apps using gin (scopes jsonb_path_ops)`.execute(db)
  // text_pattern_ops: a prefix finds its range whatever the collation of the database is.
  await sql`create index accounts_email_prefix on accounts (email_key text_pattern_ops)`.execute(db)
  await sql`create index apps_name_prefix on apps (lower(name) text_pattern_ops)`.execute(db)
  await sql`
    do $$
    begin
      create extension if not exists pg_trgm;
      create index apps_name_trigrams on apps using gin (name gin_trgm_ops);
      create index accounts_email_trigrams on accounts using gin (email gin_trgm_ops);
      create index accounts_name_trigrams on accounts using gin (name gin_trgm_ops);
    exception when insufficient_privilege or feature_not_supported or undefined_file or undefined_object then null;
    end $$`.execute(db)
}
