// Connections to other systems: providers that admins wrote, integrations, connections, their
// encrypted credentials, and which app used a connection when. Invariant: it only adds, so the
// release before works on it.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table providers (
      key text primary key,
      definition jsonb not null,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null
    )`.execute(db)
  await sql`
    create table integrations (
      id text primary key,
      handle text not null unique,
      name text not null,
      provider_key text not null,
      kind text not null check (kind in ('oauth2', 'client_credentials', 'keys')),
      client_id text,
      encrypted_client_secret text,
      scopes jsonb not null default '[]',
      required_scopes jsonb not null default '[]',
      audience text,
      parameters jsonb not null default '{}',
      config jsonb not null default '{}',
      owner_kinds jsonb not null,
      trusted_apps jsonb not null default '[]',
      proxy_hosts jsonb not null default '[]',
      proxy_methods jsonb not null default '[]',
      status text not null default 'active'
        check (status in ('active', 'misconfigured', 'disabled')),
      status_reason text,
      status_since timestamptz not null,
      next_probe_at timestamptz,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null
    )`.execute(db)
  await sql`create index integrations_provider on integrations (provider_key)`.execute(db)
  await sql`
    create table connections (
      id text primary key,
      integration_id text not null references integrations (id) on delete cascade,
      owner_kind text not null check (owner_kind in ('account', 'company')),
      owner_id text not null,
      established_by text,
      external_id text not null,
      external_label text,
      granted_scopes jsonb not null default '[]',
      missing_scopes jsonb not null default '[]',
      config jsonb not null default '{}',
      status text not null default 'active'
        check (status in ('active', 'failing', 'expired', 'disabled')),
      status_reason text,
      status_since timestamptz not null,
      access_expires_at timestamptz,
      refresh_expires_at timestamptz,
      refresh_failures integer not null default 0,
      next_try_at timestamptz,
      due_at timestamptz,
      last_refreshed_at timestamptz,
      last_used_at timestamptz,
      last_checked_at timestamptz,
      last_check text check (last_check in ('ok', 'revoked', 'unknown')),
      generation integer not null default 1,
      lease_until timestamptz,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      unique (integration_id, owner_kind, owner_id, external_id)
    )`.execute(db)
  await sql`create index connections_owner on connections (owner_kind, owner_id)`.execute(db)
  await sql`create index connections_status on connections (status, id)`.execute(db)
  await sql`
    create index connections_due on connections (due_at) where due_at is not null`.execute(db)
  await sql`
    create table credentials (
      connection_id text not null references connections (id) on delete cascade,
      kind text not null,
      name text not null default '',
      encrypted_value text not null,
      created_at timestamptz not null,
      expires_at timestamptz,
      primary key (connection_id, kind, name)
    )`.execute(db)
  await sql`
    create table connection_uses (
      connection_id text not null references connections (id) on delete cascade,
      app_id text not null,
      used_at timestamptz not null,
      uses bigint not null default 0,
      primary key (connection_id, app_id)
    )`.execute(db)
}
