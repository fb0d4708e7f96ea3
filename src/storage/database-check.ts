// Checks whether a database may hold what must never be lost, before anything is read from it or
// written to it.
import { sql } from 'kysely'
import { type Database, withDatabase } from './database.ts'
import { StoreRefused } from './store-problems.ts'

const LEAST_VERSION = 14

interface Facts {
  encoding: string
  version: number
  is_read_only: boolean
  role: string
  schema: string | null
  may_create: boolean | null
}

/**
 * Looks at the database.
 *
 * @param options.needsCreate something is about to be created in it
 * @throws {StoreRefused} one that cannot be used, with what mends it
 * @throws {AppError} `temporarily_unavailable`
 */
export async function assertUsable(
  db: Database,
  { needsCreate }: { needsCreate: boolean },
): Promise<void> {
  const { rows } = await withDatabase(() =>
    sql<Facts>`select
      current_setting('server_encoding') as encoding,
      current_setting('server_version_num')::int / 10000 as version,
      current_setting('transaction_read_only') = 'on' as is_read_only,
      current_user::text as role,
      current_schema()::text as schema,
      has_schema_privilege(current_schema(), 'create') as may_create`.execute(db),
  )
  const [facts] = rows
  if (facts === undefined) return
  const problem = problemOf(facts, needsCreate)
  if (problem !== undefined) throw new StoreRefused(`Postgres cannot be used: ${problem}.`)
}

function problemOf(facts: Facts, needsCreate: boolean): string | undefined {
  const { encoding, version, role, schema } = facts
  if (version < LEAST_VERSION)
    return `it is version ${version}, and ${LEAST_VERSION} is the oldest that will do`
  if (encoding !== 'UTF8')
    return `the database is in ${encoding}, which cannot hold every name: make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`
  if (facts.is_read_only)
    return 'it is read-only: name the primary, or several hosts with target_session_attrs=read-write'
  if (schema === null)
    return `no schema of the search_path is there, or the role "${role}" may not use it: GRANT USAGE, CREATE ON SCHEMA public TO "${role}"`
  if (needsCreate && facts.may_create !== true)
    return `the role "${role}" may not create tables in the schema "${schema}": GRANT CREATE ON SCHEMA "${schema}" TO "${role}", or migrate as its owner`
  return undefined
}
