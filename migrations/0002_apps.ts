// Registered apps (OAuth clients), their secrets as keyed hashes, their logos, and the catalogue of
// scopes.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('logos')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('content_type', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bytea', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('apps')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('description', 'text')
    .addColumn('type', 'text', (column) =>
      column.notNull().check(sql`type in ('web', 'public', 'machine', 'resource_server')`),
    )
    .addColumn('logo_id', 'text', (column) => column.references('logos.id'))
    .addColumn('homepage_url', 'text')
    .addColumn('privacy_url', 'text')
    .addColumn('terms_url', 'text')
    .addColumn('owner_contact', 'text')
    .addColumn('environment', 'text')
    .addColumn('redirect_uris', 'jsonb', (column) => column.notNull())
    .addColumn('scopes', 'jsonb', (column) => column.notNull())
    .addColumn('audiences', 'jsonb', (column) => column.notNull())
    .addColumn('require_pkce', 'boolean', (column) => column.notNull())
    .addColumn('rotate_refresh_tokens', 'boolean', (column) => column.notNull())
    .addColumn('sliding_refresh', 'boolean', (column) => column.notNull())
    .addColumn('access_ttl_seconds', 'integer')
    .addColumn('refresh_ttl_seconds', 'integer')
    .addColumn('status', 'text', (column) =>
      column.notNull().check(sql`status in ('active', 'suspended', 'deleted')`),
    )
    .addColumn('status_reason', 'text')
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('app_secrets')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('app_id', 'text', (column) =>
      column.notNull().references('apps.id').onDelete('cascade'),
    )
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('hint', 'text', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .addColumn('expires_at', 'timestamptz')
    .addColumn('last_used_at', 'timestamptz')
    .execute()
  await db.schema.createIndex('app_secrets_app').on('app_secrets').column('app_id').execute()
  await db.schema
    .createTable('scopes')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('sentence', 'text', (column) => column.notNull())
    .addColumn('group_name', 'text', (column) => column.notNull())
    .addColumn('sensitive', 'boolean', (column) => column.notNull())
    .addColumn('deprecated', 'boolean', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
    .execute()
}
