// Files that admins upload in the console and act on after they have looked at what was found in
// them. Invariant: what a file says is encrypted, in pieces; it goes with its upload.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('uploads')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('account_id', 'text', (column) =>
      column.notNull().references('accounts.id').onDelete('cascade'),
    )
    .addColumn('state', 'text', (column) =>
      column.notNull().check(sql`state in ('receiving', 'ready', 'running', 'done')`),
    )
    .addColumn('pieces', 'integer', (column) => column.notNull())
    .addColumn('encrypted_facts', 'text')
    .addColumn('created_at', 'timestamptz', (column) => column.notNull())
    .addColumn('touched_at', 'timestamptz', (column) => column.notNull())
    .addColumn('expires_at', 'timestamptz', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('upload_pieces')
    .addColumn('upload_id', 'text', (column) =>
      column.notNull().references('uploads.id').onDelete('cascade'),
    )
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('encrypted_piece', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('upload_pieces_key', ['upload_id', 'position'])
    .execute()
  await db.schema.createIndex('uploads_account').on('uploads').column('account_id').execute()
}
