// Finds the events of one request, by the id that the answer to it named.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.createIndex('events_request').on('events').columns(['request_id', 'at']).execute()
}
