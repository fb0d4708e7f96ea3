// Signing keys for id_tokens; the private half is sealed under OTESSE_ENCRYPTION_KEY.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('signing_keys')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('alg', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) =>
      column.notNull().check(sql`status in ('next', 'current', 'retired')`),
    )
    .addColumn('public_jwk', 'jsonb', (column) => column.notNull())
    .addColumn('sealed_private_jwk', 'text', (column) => column.notNull())
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .addColumn('activated_at', 'timestamptz')
    .addColumn('retired_at', 'timestamptz')
    .execute()
  // Two nodes that start at once on an empty database must not both make a current key of one kind.
  await db.schema
    .createIndex('signing_keys_one_current')
    .on('signing_keys')
    .column('alg')
    .unique()
    .where(sql.ref('status'), '=', 'current')
    .execute()
}
