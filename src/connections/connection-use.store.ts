// Which app used a connection when, in the database.
import { sql } from 'kysely'
import { type Database, withDatabase } from '../storage/database.ts'

/** Uses of a connection by one app since they were last written. */
export interface ConnectionUse {
  readonly connectionId: string
  readonly appId: string
  readonly uses: number
  readonly usedAt: Date
}

/** Keeps uses. */
export interface ConnectionUseStore {
  /**
   * Adds uses, and the time of the last to the connection; those of connections that are gone are
   * dropped.
   */
  add(uses: readonly ConnectionUse[]): Promise<void>
}

/** Creates the store. */
export function createConnectionUseStore(db: Database): ConnectionUseStore {
  return {
    add: (uses) =>
      withDatabase(async () => {
        if (uses.length === 0) return
        const rows = JSON.stringify(
          uses.map(({ connectionId, appId, uses: count, usedAt }) => ({
            connection_id: connectionId,
            app_id: appId,
            uses: count,
            used_at: usedAt,
          })),
        )
        await sql`
          with given as (
            select g.* from jsonb_to_recordset(${rows}::jsonb)
              as g (connection_id text, app_id text, uses bigint, used_at timestamptz)
            join connections c on c.id = g.connection_id
          ), touched as (
            update connections c set last_used_at = greatest(c.last_used_at, latest.used_at)
            from (select connection_id, max(used_at) as used_at from given group by 1) as latest
            where c.id = latest.connection_id
          )
          insert into connection_uses (connection_id, app_id, uses, used_at)
          select connection_id, app_id, uses, used_at from given
          on conflict (connection_id, app_id) do update set
            uses = connection_uses.uses + excluded.uses,
            used_at = greatest(connection_uses.used_at, excluded.used_at)`.execute(db)
      }),
  }
}
