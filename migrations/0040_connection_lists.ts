// The orders in which admins list connections: all of them, those in a state, those of an
// integration, and both.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index connections_created on connections (created_at, id)`.execute(db)
  await sql`
    create index connections_status_created on connections (status, created_at, id)`.execute(db)
  await sql`
    create index connections_integration_created
      on connections (integration_id, created_at, id)`.execute(db)
  await sql`
    create index connections_integration_status
      on connections (integration_id, status, created_at, id)`.execute(db)
}
