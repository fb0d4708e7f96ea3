// What an authorization stands on, as the database knows it at one moment: the account, the app,
// and what the one has allowed the other. One statement, because each code asks twice. Called by
// oauth/authorize/begin-authorization.ts through its port.
import { type Database, withDatabase } from '../storage/database.ts'

/** What an authorization stands on. */
export interface Standing {
  account: { isActive: boolean; generation: number; sessionsFrom: number; grantsFrom: number }
  app: { isActive: boolean; generation: number; grantsFrom: number }
  /** Whether what the account has allowed the app is remembered and counts. */
  isRemembered: boolean
}

/** Reads what an authorization stands on; `undefined` where the account or the app is not there. */
export type FindStanding = (accountId: string, appId: string) => Promise<Standing | undefined>

/** Creates the reader. */
export const createFindStanding =
  (db: Database): FindStanding =>
  (accountId, appId) =>
    withDatabase(async () => {
      const row = await db
        .selectFrom('accounts')
        .innerJoin('apps', (join) => join.on('apps.id', '=', appId))
        .leftJoin('consents', (join) =>
          join
            .onRef('consents.account_id', '=', 'accounts.id')
            .onRef('consents.app_id', '=', 'apps.id')
            .onRef('consents.account_generation', '>=', 'accounts.consents_from'),
        )
        .select([
          'accounts.status as account_status',
          'accounts.generation as account_generation',
          'accounts.sessions_from',
          'accounts.grants_from as account_grants_from',
          'apps.status as app_status',
          'apps.generation as app_generation',
          'apps.grants_from as app_grants_from',
          'consents.app_id as remembered',
        ])
        .where('accounts.id', '=', accountId)
        .executeTakeFirst()
      return (
        row && {
          account: {
            isActive: row.account_status === 'active',
            generation: row.account_generation,
            sessionsFrom: row.sessions_from,
            grantsFrom: row.account_grants_from,
          },
          app: {
            isActive: row.app_status === 'active',
            generation: row.app_generation,
            grantsFrom: row.app_grants_from,
          },
          isRemembered: row.remembered !== null,
        }
      )
    })
