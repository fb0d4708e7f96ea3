// The ends of connections. Invariants: a connection ends in one transaction that locks its row
// first, so that a refresh at the same moment is either before it, and its tokens are withdrawn, or
// after it, and finds nothing to write; tokens go nowhere but to what is to be withdrawn.
import { sql } from 'kysely'
import { type Database, withDatabase } from '../storage/database.ts'
import { toConnection } from './connection.store.ts'
import type { Connection, Owner } from './connection.ts'
import { writeWithdrawals, type WithdrawalReason } from './withdrawal-writes.store.ts'

export interface EndingStore {
  /**
   * Removes a connection with its credentials.
   *
   * @param owner whose it must be; anybody's where it is left out
   * @returns `undefined` where there is none
   */
  remove(
    id: string,
    owner: Owner | undefined,
    reason: WithdrawalReason,
    at: Date,
  ): Promise<Connection | undefined>
  /**
   * Ends the OAuth connections of accounts that are deactivated, which their owners then have to
   * make again; keys stay, since no provider could be told.
   *
   * @param accountIds which accounts; all where it is left out
   * @returns which ended, at most `most` of them
   */
  endOfDeactivated(
    accountIds: readonly string[] | undefined,
    most: number,
    at: Date,
  ): Promise<ConnectionOfDeactivated[]>
}

/** A connection that its owner has to make again. */
export interface ConnectionOfDeactivated {
  readonly id: string
  readonly accountId: string
  /** The handle. */
  readonly integration: string
}

/** Creates the store over the database. */
export function createEndingStore(db: Database): EndingStore {
  return {
    remove: (id, owner, reason, at) =>
      withDatabase(() =>
        db.transaction().execute(async (trx) => {
          let locking = trx.selectFrom('connections').selectAll().where('id', '=', id)
          if (owner !== undefined)
            locking = locking
              .where('owner_kind', '=', owner.kind)
              .where('owner_id', '=', owner.kind === 'account' ? owner.id : '')
          const row = await locking.forUpdate().executeTakeFirst()
          if (row === undefined) return undefined
          await writeWithdrawals(trx, [id], reason, at)
          await trx.deleteFrom('connections').where('id', '=', id).execute()
          return toConnection(row)
        }),
      ),

    endOfDeactivated: (accountIds, most, at) =>
      withDatabase(() =>
        db.transaction().execute(async (trx) => {
          const rows = await trx
            .selectFrom('connections as c')
            .innerJoin('accounts as a', 'a.id', 'c.owner_id')
            .innerJoin('integrations as i', 'i.id', 'c.integration_id')
            .select(['c.id', 'c.owner_id', 'i.handle'])
            .where('c.owner_kind', '=', 'account')
            .where('a.status', '=', 'deactivated')
            .where('i.kind', '=', 'oauth2')
            .where('c.status', '!=', 'expired')
            .$if(accountIds !== undefined, (query) =>
              query.where('a.id', 'in', [...(accountIds ?? [])]),
            )
            .limit(most)
            // One that is locked just now is waited for: nobody would look for it again soon.
            .forUpdate('c')
            .execute()
          if (rows.length === 0) return []
          const ids = rows.map(({ id }) => id)
          await writeWithdrawals(trx, ids, 'account_deactivated', at)
          await trx
            .deleteFrom('credentials')
            .where('connection_id', 'in', ids)
            .where('kind', 'in', ['oauth_access_token', 'oauth_refresh_token'])
            .execute()
          await trx
            .updateTable('connections')
            .set({
              status: 'expired',
              status_reason: 'account_deactivated',
              status_since: at,
              due_at: null,
              lease_until: null,
              generation: sql`generation + 1`,
              version: sql`version + 1`,
              updated_at: at,
            })
            .where('id', 'in', ids)
            .execute()
          return rows.map(({ id, owner_id: accountId, handle: integration }) => ({
            id,
            accountId,
            integration,
          }))
        }),
      ),
  }
}
