// Fresh, migrated databases for contract tests: one on the run's PostgreSQL and one on PGlite in
// memory, behind one function.
import { createLogger } from '../../src/shared/logger.ts'
import { IN_MEMORY, openDatabase, type OpenDatabase } from '../../src/storage/database.ts'
import { migrate } from '../../src/storage/migrate.ts'
import { createDatabase, type DatabaseTemplate } from './backends.ts'

const logger = createLogger('silent')

/** Opens the Postgres of that URL with the time limits of a test. */
export function openPostgres(url: string, queryTimeoutMillis = 5000): Promise<OpenDatabase> {
  return openDatabase(
    { kind: 'postgres', url, poolSize: 10, connectTimeoutMillis: 1000, queryTimeoutMillis },
    logger,
  )
}

async function migratePostgres(url: string): Promise<void> {
  await using database = await openPostgres(url, 30_000)
  await migrate(database.db)
}

/** A database with every migration, to be copied. */
export const MIGRATED: DatabaseTemplate = { name: 'otesse_migrated', prepare: migratePostgres }

async function openFreshPostgres(): Promise<OpenDatabase> {
  const server = process.env['OTESSE_TEST_POSTGRES_URL']
  if (server === undefined) throw new Error('no PostgreSQL was started for the tests')
  const fresh = await createDatabase(server, MIGRATED)
  const open = await openPostgres(fresh.url)
  return {
    ...open,
    async [Symbol.asyncDispose]() {
      await open[Symbol.asyncDispose]()
      await fresh.drop()
    },
  }
}

async function openFreshPglite(): Promise<OpenDatabase> {
  const open = await openDatabase({ kind: 'pglite', directory: IN_MEMORY }, logger)
  await migrate(open.db)
  return open
}

/** Every kind of database that the product runs on; disposing deletes what was made. */
export const DATABASES: { name: string; open: () => Promise<OpenDatabase> }[] = [
  { name: 'Postgres', open: openFreshPostgres },
  { name: 'PGlite', open: openFreshPglite },
]
