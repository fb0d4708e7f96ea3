// Opens the database: Postgres by URL, or PGlite (Postgres in this process) in a directory. Both
// speak the same SQL through Kysely. Invariant: a database that is away makes callers fail within
// two seconds with `temporarily_unavailable`, never hang.
import { dirname } from 'node:path'
import { Kysely, PGliteDialect, sql, type Transaction } from 'kysely'
import type { Logger } from '../shared/logger.ts'
import { withDatabase } from './database-errors.ts'
import { lockDirectory } from './directory-lock.ts'
import { makePrivateDirectory } from './private-directory.ts'
import { parsePostgresUrl, type PostgresLocation } from './postgres-location.ts'
import { openPostgresPool, PooledPostgresDialect } from './postgres-pool.ts'
import type { Tables } from './schema.ts'
import { StoreRefused } from './store-problems.ts'

export { isForeignKeyViolation, isUniqueViolation, withDatabase } from './database-errors.ts'

export type Database = Kysely<Tables>

/** A transaction that somebody else has begun and will end. */
export type OpenTransaction = Transaction<Tables>

/**
 * Writes along in the transaction of an act, as its last statement, so that both happen or neither.
 * What it throws undoes the act.
 */
export type WriteAlong<Outcome> = (transaction: OpenTransaction, outcome: Outcome) => Promise<void>

/** The PGlite directory that stands for "keep nothing". */
export const IN_MEMORY = 'memory'

/** Where the database is. */
export type DatabaseLocation =
  | {
      kind: 'postgres'
      url: string
      poolSize: number
      connectTimeoutMillis: number
      queryTimeoutMillis: number
    }
  | { kind: 'pglite'; directory: string }

/** An open database; disposing closes its connections. */
export interface OpenDatabase extends AsyncDisposable {
  db: Database
  kind: DatabaseLocation['kind']
}

/**
 * Opens the database; Postgres connects at the first query, PGlite at once.
 *
 * @throws {StoreRefused} where the URL of Postgres cannot be read
 * @throws {DirectoryInUse} where another process has the PGlite directory open
 * @throws {DirectoryRefused} where the directory cannot be kept from other users of the machine
 */
export async function openDatabase(
  location: DatabaseLocation,
  logger: Logger,
): Promise<OpenDatabase> {
  if (location.kind === 'pglite') return openPglite(location.directory)
  const pool = openPostgresPool(
    {
      ...locate(location.url),
      max: location.poolSize,
      connectionTimeoutMillis: location.connectTimeoutMillis,
      query_timeout: location.queryTimeoutMillis,
      statement_timeout: location.queryTimeoutMillis,
    },
    logger,
  )
  const db = new Kysely<Tables>({ dialect: new PooledPostgresDialect({ pool }) })
  return { db, kind: 'postgres', [Symbol.asyncDispose]: () => db.destroy() }
}

function locate(url: string): PostgresLocation {
  try {
    return parsePostgresUrl(url)
  } catch (error) {
    throw new StoreRefused(`OTESSE_DATABASE_URL: ${(error as Error).message}`, { cause: error })
  }
}

async function openPglite(directory: string): Promise<OpenDatabase> {
  await using stack = new AsyncDisposableStack()
  if (directory !== IN_MEMORY) {
    await makePrivateDirectory(dirname(directory))
    await makePrivateDirectory(directory)
    stack.use(await lockDirectory(directory))
  }
  // Loaded here only: a server on Postgres starts without it.
  const { PGlite } = await import('@electric-sql/pglite')
  const client = await PGlite.create(directory === IN_MEMORY ? 'memory://' : directory)
  const db = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite: client }) })
  stack.defer(() => db.destroy())
  const open = stack.move()
  return { db, kind: 'pglite', [Symbol.asyncDispose]: () => open.disposeAsync() }
}

/** Resolves when the database answers. @throws {AppError} `temporarily_unavailable` */
export async function pingDatabase(db: Database): Promise<void> {
  await withDatabase(() => sql`select 1`.execute(db))
}

/** Reads the database's clock, in milliseconds since the epoch. @throws {AppError} `temporarily_unavailable` */
export async function databaseTime(db: Database): Promise<number> {
  const { rows } = await withDatabase(() =>
    sql<{
      millis: number
    }>`select (extract(epoch from clock_timestamp()) * 1000)::float8 as millis`.execute(db),
  )
  return rows[0]?.millis ?? 0
}
