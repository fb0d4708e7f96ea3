// Which connections work in the background looks at, and when.
import { sql } from 'kysely'
import { type Database, withDatabase } from '../storage/database.ts'

/** Keeps what is due. */
export interface DueStore {
  /**
   * Takes connections that are due, the longest waiting first; no other process gets them before
   * `until`.
   *
   * @param bounds.mostOfIntegration of one integration, so that none fills the round
   */
  take(
    now: Date,
    until: Date,
    bounds: { most: number; mostOfIntegration: number },
  ): Promise<string[]>
  /** Sets when a connection is due next. */
  set(connectionId: string, dueAt: Date | undefined): Promise<void>
}

/** Creates the store. */
export function createDueStore(db: Database): DueStore {
  return {
    take: (now, until, { most, mostOfIntegration }) =>
      withDatabase(async () => {
        const { rows } = await sql<{ id: string }>`
          update connections set due_at = ${until}
          where id in (
            select c.id from connections c join (
              select id, row_number() over (partition by integration_id order by due_at) as place
              from (
                select id, integration_id, due_at from connections
                where due_at <= ${now} order by due_at limit ${10 * most}
              ) as waiting
            ) as placed using (id)
            where placed.place <= ${mostOfIntegration} and c.due_at <= ${now}
              and c.status in ('active', 'failing')
            limit ${most}
            for update of c skip locked
          )
          returning id`.execute(db)
        return rows.map(({ id }) => id)
      }),

    set: (connectionId, dueAt) =>
      withDatabase(async () => {
        await db
          .updateTable('connections')
          .set({ due_at: dueAt ?? null })
          .where('id', '=', connectionId)
          .execute()
      }),
  }
}
