// Brings the database to the newest schema by Kysely's Migrator, in one transaction that holds a
// lock, so that several nodes may start at once. Invariants: the server never serves a database
// that lacks a migration; nothing is left behind in the session, which a pooler in transaction mode
// gives to somebody else after the commit.
import { sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import * as accounts from '../../migrations/0001_accounts.ts'
import * as apps from '../../migrations/0002_apps.ts'
import * as grants from '../../migrations/0003_grants.ts'
import * as keys from '../../migrations/0004_keys.ts'
import * as audit from '../../migrations/0005_audit.ts'
import * as admin from '../../migrations/0006_admin.ts'
import * as lists from '../../migrations/0007_lists.ts'
import * as adminAccounts from '../../migrations/0008_admin_accounts.ts'
import * as generations from '../../migrations/0009_generations.ts'
import * as endedGrants from '../../migrations/0010_ended_grants.ts'
import * as rsaSigningKeys from '../../migrations/0011_rsa_signing_keys.ts'
import * as clientCredentials from '../../migrations/0012_client_credentials.ts'
import * as idTokenAlg from '../../migrations/0013_id_token_alg.ts'
import * as scopeIncarnations from '../../migrations/0014_scope_incarnations.ts'
import * as allowedOrigins from '../../migrations/0015_allowed_origins.ts'
import * as redirectSwitches from '../../migrations/0016_redirect_switches.ts'
import * as purgeProgress from '../../migrations/0018_purge_progress.ts'
import * as emailKeys from '../../migrations/0019_email_keys.ts'
import * as secretKeys from '../../migrations/0020_secret_keys.ts'
import * as eventsRequest from '../../migrations/0025_events_request.ts'
import * as usageHourly from '../../migrations/0054_usage_hourly.ts'
import * as roles from '../../migrations/0028_roles.ts'
import * as uploads from '../../migrations/0029_uploads.ts'
import * as connections from '../../migrations/0030_connections.ts'
import * as webhookSecrets from '../../migrations/0038_webhook_secrets.ts'
import * as listOrder from '../../migrations/0039_list_order.ts'
import * as deliveries from '../../migrations/0047_deliveries.ts'
import * as returnAddresses from '../../migrations/0043_return_addresses.ts'
import * as withdrawals from '../../migrations/0044_withdrawals.ts'
import * as connectionChecks from '../../migrations/0045_connection_checks.ts'
import * as connectionLists from '../../migrations/0040_connection_lists.ts'
import * as addressLinks from '../../migrations/0048_address_links.ts'
import { type Database, withDatabase } from './database.ts'
import { assertUsable } from './database-check.ts'

// Named here and not read from a folder, so that the compiled server and the sources run the same
// list.
const MIGRATIONS: Record<string, Migration> = {
  '0001_accounts': accounts,
  '0002_apps': apps,
  '0003_grants': grants,
  '0004_keys': keys,
  '0005_audit': audit,
  '0006_admin': admin,
  '0007_lists': lists,
  '0008_admin_accounts': adminAccounts,
  '0009_generations': generations,
  '0010_ended_grants': endedGrants,
  '0011_rsa_signing_keys': rsaSigningKeys,
  '0012_client_credentials': clientCredentials,
  '0013_id_token_alg': idTokenAlg,
  '0014_scope_incarnations': scopeIncarnations,
  '0015_allowed_origins': allowedOrigins,
  '0016_redirect_switches': redirectSwitches,
  '0018_purge_progress': purgeProgress,
  '0019_email_keys': emailKeys,
  '0020_secret_keys': secretKeys,
  '0025_events_request': eventsRequest,
  '0054_usage_hourly': usageHourly,
  '0028_roles': roles,
  '0029_uploads': uploads,
  '0030_connections': connections,
  '0038_webhook_secrets': webhookSecrets,
  '0039_list_order': listOrder,
  '0047_deliveries': deliveries,
  '0048_address_links': addressLinks,
  '0043_return_addresses': returnAddresses,
  '0044_withdrawals': withdrawals,
  '0045_connection_checks': connectionChecks,
  '0040_connection_lists': connectionLists,
}

const migratorOf = (db: Database): Migrator =>
  new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(MIGRATIONS) },
    // Work of several people lands in any order, and none of it may be refused where a later number
    // came first.
    allowUnorderedMigrations: true,
  })

/**
 * Applies what is missing and returns the names of the migrations that it applied.
 *
 * @throws {StoreRefused} a database that cannot be used, or in which nothing may be created
 * @throws {AppError} `temporarily_unavailable`
 */
export async function migrate(db: Database): Promise<string[]> {
  const missing = await pendingMigrations(db)
  await assertUsable(db, { needsCreate: missing.length > 0 })
  return await withDatabase(async () => {
    return await db.transaction().execute(async (transaction) => {
      await sql`select pg_advisory_xact_lock(${sql.lit(LOCK)})`.execute(transaction)
      const { error, results } = await migratorOf(transaction).migrateToLatest()
      if (error !== undefined)
        throw error instanceof Error ? error : new Error('migration failed', { cause: error })
      return (results ?? []).map(({ migrationName }) => migrationName)
    })
  })
}

// The number under which Kysely locks, and with it earlier releases of this server.
const LOCK = BigInt('3853314791062309107')

/**
 * Returns the names of the migrations that the database lacks.
 *
 * @throws {StoreRefused} a database that cannot be used
 * @throws {AppError} `temporarily_unavailable`
 */
export async function pendingMigrations(db: Database): Promise<string[]> {
  await assertUsable(db, { needsCreate: false })
  const all = await withDatabase(() => migratorOf(db).getMigrations())
  return all.filter(({ executedAt }) => executedAt === undefined).map(({ name }) => name)
}
