// What a refresh reads and writes. Invariants: the lease of a connection is held by one process at
// a time, by the clock of the database; credentials and their generation change in one transaction,
// and only from the generation that was refreshed; whoever lost the lease reports no failure.
import { sql } from 'kysely'
import type { Encryption } from '../shared/encryption.ts'
import { type Database, withDatabase } from '../storage/database.ts'
import type { ConnectionStatus, Credential } from './connection.ts'
import { writeCredentials } from './credential.store.ts'

/** The right to refresh a connection; it ends by itself. */
export interface Lease {
  readonly connectionId: string
  readonly generation: number
  /** Which lease it is. */
  readonly until: Date
}

/** What a refresh brought. */
export interface Refreshed {
  /** In place of those of the same kind; the others stay. */
  readonly credentials: readonly Credential[]
  readonly accessExpiresAt: Date | undefined
  readonly refreshExpiresAt: Date | undefined
  readonly grantedScopes: readonly string[]
  readonly missingScopes: readonly string[]
  /** When work in the background looks at it next. */
  readonly dueAt: Date | undefined
}

/** How a connection is after a refresh that failed. */
export interface FailedRefresh {
  readonly status: ConnectionStatus
  readonly statusReason: string | undefined
  readonly refreshFailures: number
  readonly nextTryAt: Date | undefined
  readonly dueAt: Date | undefined
}

/** The database as refreshing needs it. */
export interface RefreshStore {
  /** Takes the lease, unless another process has it, or the connection has another generation. */
  claim(connectionId: string, generation: number, leaseMillis: number): Promise<Lease | undefined>
  /** Writes new credentials; returns `false`, and writes none, where others came first. */
  commit(connectionId: string, generation: number, refreshed: Refreshed, at: Date): Promise<boolean>
  /** Gives the lease back with what is known now; returns `false` where it is not held any more. */
  fail(lease: Lease, failed: FailedRefresh, at: Date): Promise<boolean>
  /** Gives the lease back. */
  release(lease: Lease): Promise<void>
}

/** Creates the store over the database. */
export function createRefreshStore(db: Database, encryption: Encryption): RefreshStore {
  const held = ({ connectionId, generation, until }: Lease) =>
    db
      .updateTable('connections')
      .where('id', '=', connectionId)
      .where('generation', '=', generation)
      .where('lease_until', '=', until)
  return {
    claim: (connectionId, generation, leaseMillis) =>
      withDatabase(async () => {
        // To the millisecond, so that the lease can be named by what came back.
        const row = await db
          .updateTable('connections')
          .set({
            lease_until: sql`date_trunc('milliseconds',
              clock_timestamp() + ${leaseMillis} * interval '1 millisecond')`,
          })
          .where('id', '=', connectionId)
          .where('generation', '=', generation)
          .where('status', 'in', ['active', 'failing'])
          .where((eb) =>
            eb.or([
              eb('lease_until', 'is', null),
              eb('lease_until', '<', sql<Date>`clock_timestamp()`),
            ]),
          )
          .returning('lease_until')
          .executeTakeFirst()
        const until = row?.lease_until ?? undefined
        return until && { connectionId, generation, until }
      }),

    commit: (connectionId, generation, refreshed, at) =>
      withDatabase(() =>
        db.transaction().execute(async (trx) => {
          const updated = await trx
            .updateTable('connections')
            .set((eb) => ({
              // Switched off meanwhile it stays so, and loses no token by it.
              status: sql`case status when 'disabled' then status else 'active' end`,
              status_reason: sql`case status when 'disabled' then status_reason end`,
              status_since: sql`
                case status when 'failing' then ${at}::timestamptz else status_since end`,
              access_expires_at: refreshed.accessExpiresAt ?? null,
              refresh_expires_at: refreshed.refreshExpiresAt ?? null,
              granted_scopes: JSON.stringify(refreshed.grantedScopes),
              missing_scopes: JSON.stringify(refreshed.missingScopes),
              refresh_failures: 0,
              next_try_at: null,
              due_at: refreshed.dueAt ?? null,
              last_refreshed_at: at,
              generation: eb('generation', '+', 1),
              lease_until: null,
              updated_at: at,
            }))
            .where('id', '=', connectionId)
            .where('generation', '=', generation)
            .where('status', '!=', 'expired')
            .executeTakeFirst()
          if (updated.numUpdatedRows === 0n) return false
          await writeCredentials(trx, encryption, connectionId, refreshed.credentials, at)
          return true
        }),
      ),

    fail: (lease, failed, at) =>
      withDatabase(async () => {
        const updated = await held(lease)
          .set({
            status: failed.status,
            status_reason: failed.statusReason ?? null,
            status_since: sql`
              case status when ${failed.status} then status_since else ${at}::timestamptz end`,
            refresh_failures: failed.refreshFailures,
            next_try_at: failed.nextTryAt ?? null,
            due_at: failed.dueAt ?? null,
            lease_until: null,
            updated_at: at,
          })
          .executeTakeFirst()
        return updated.numUpdatedRows > 0n
      }),

    release: (lease) =>
      withDatabase(async () => {
        await held(lease).set({ lease_until: null }).execute()
      }),
  }
}
