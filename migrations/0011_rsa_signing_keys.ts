// RSA keys, which sign id_tokens of RS256. A table of their own, since the release before this one
// reads all of `signing_keys` and knows no RSA key. The private half is encrypted, as there.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('rsa_signing_keys')
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
  // Two nodes that start at once must not both make a current key.
  await db.schema
    .createIndex('rsa_signing_keys_one_current')
    .on('rsa_signing_keys')
    .column('alg')
    .unique()
    .where(sql.ref('status'), '=', 'current')
    .execute()
}
