// Opens the database: Postgres by URL, or PGlite (Postgres in this process) in a directory. Both speak the same SQL through Kysely.
// Invariant: a database that is away makes callers fail within two seconds with `temporarily_unavailable`, never hang.
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Kysely, PGliteDialect, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import { AppError } from '../shared/errors.ts'
import type { Logger } from '../shared/logger.ts'
import { lockDirectory } from './directory-lock.ts'
import type { Schema } from './schema.ts'

export type Database = Kysely<Schema>

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
 * @throws {DirectoryInUse} where another process has the PGlite directory open
 */
export async function openDatabase(
  location: DatabaseLocation,
  logger: Logger,
): Promise<OpenDatabase> {
  if (location.kind === 'pglite') return openPglite(location.directory)
  const pool = new pg.Pool({
    connectionString: location.url,
    max: location.poolSize,
    connectionTimeoutMillis: location.connectTimeoutMillis,
    query_timeout: location.queryTimeoutMillis,
    statement_timeout: location.queryTimeoutMillis,
    application_name: 'otesse-auth',
  })
  // Without a listener a dropped idle connection would end the process.
  pool.on('error', (error) => logger.warn({ err: error }, 'idle database connection lost'))
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) })
  return { db, kind: 'postgres', [Symbol.asyncDispose]: () => db.destroy() }
}

async function openPglite(directory: string): Promise<OpenDatabase> {
  await using stack = new AsyncDisposableStack()
  if (directory !== IN_MEMORY) {
    await mkdir(dirname(directory), { recursive: true })
    stack.use(await lockDirectory(directory))
  }
  // Loaded here only: a server on Postgres starts without it.
  const { PGlite } = await import('@electric-sql/pglite')
  const client = await PGlite.create(directory === IN_MEMORY ? 'memory://' : directory)
  const db = new Kysely<Schema>({ dialect: new PGliteDialect({ pglite: client }) })
  stack.defer(() => db.destroy())
  const open = stack.move()
  return { db, kind: 'pglite', [Symbol.asyncDispose]: () => open.disposeAsync() }
}

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57014', // query_canceled (statement_timeout)
  '53300', // too_many_connections
  '25006', // read_only_sql_transaction: a replica after a failover
])
const CONNECTION_MESSAGES =
  /timeout exceeded when trying to connect|Connection terminated|Query read timeout|Client has encountered a connection error/

/** Reads the SQLSTATE or system code of a driver's error. */
function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Returns whether a database error is a violated unique constraint. */
export const isUniqueViolation = (error: unknown): boolean => codeOf(error) === '23505'

/** Returns whether a database error is a reference to a row that is not there. */
export const isForeignKeyViolation = (error: unknown): boolean => codeOf(error) === '23503'

/**
 * Runs database work and turns "the database is away" into `temporarily_unavailable`. Stores wrap each query in it, so that nobody
 * above sees a driver's error.
 */
export async function withDatabase<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = codeOf(error)
    const message = error instanceof Error ? error.message : ''
    if ((code !== undefined && CONNECTION_CODES.has(code)) || CONNECTION_MESSAGES.test(message))
      throw new AppError('temporarily_unavailable', {
        cause: error,
        detail: 'database',
        retryAfterSeconds: 2,
      })
    throw error
  }
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
