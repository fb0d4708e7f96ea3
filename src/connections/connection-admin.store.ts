// Connections as admins see them: lists over all owners, switching off and on.
import { type Database, withDatabase } from '../storage/database.ts'
import { toConnection } from './connection.store.ts'
import type { Connection, ConnectionStatus } from './connection.ts'

/** Which connections; what is left out does not matter. */
export interface ConnectionQuery {
  readonly integrationId?: string | undefined
  readonly status?: ConnectionStatus | undefined
  readonly accountId?: string | undefined
  /** The id of the last one of the page before. */
  readonly after?: string | undefined
  readonly limit: number
}

/** The database as admins need it. */
export interface ConnectionAdminStore {
  /** Lists a page, by id. */
  list(query: ConnectionQuery): Promise<Connection[]>
  /**
   * Switches a connection off. Its credentials stay.
   *
   * @returns whether this call did it
   */
  disable(id: string, reason: string, at: Date): Promise<boolean>
  /** Switches a connection on that was off; returns whether this call did it. */
  enable(id: string, at: Date): Promise<boolean>
}

/** Creates the store over the database. */
export function createConnectionAdminStore(db: Database): ConnectionAdminStore {
  const changing = (at: Date) =>
    db.updateTable('connections').set((eb) => ({
      status_since: at,
      version: eb('version', '+', 1),
      updated_at: at,
      lease_until: null,
    }))
  return {
    list: ({ integrationId, status, accountId, after, limit }) =>
      withDatabase(async () => {
        let query = db.selectFrom('connections').selectAll()
        if (integrationId !== undefined) query = query.where('integration_id', '=', integrationId)
        if (status !== undefined) query = query.where('status', '=', status)
        if (accountId !== undefined)
          query = query.where('owner_kind', '=', 'account').where('owner_id', '=', accountId)
        if (after !== undefined) query = query.where('id', '>', after)
        const rows = await query.orderBy('id').limit(limit).execute()
        return rows.map(toConnection)
      }),

    disable: (id, reason, at) =>
      withDatabase(async () => {
        const updated = await changing(at)
          .set({ status: 'disabled', status_reason: reason, due_at: null })
          .where('id', '=', id)
          .where('status', '!=', 'disabled')
          .executeTakeFirst()
        return updated.numUpdatedRows > 0n
      }),

    enable: (id, at) =>
      withDatabase(async () => {
        const updated = await changing(at)
          .set({ status: 'active', status_reason: null, due_at: at, next_try_at: null })
          .where('id', '=', id)
          .where('status', '=', 'disabled')
          .executeTakeFirst()
        return updated.numUpdatedRows > 0n
      }),
  }
}
