// The scope catalogue's rows. Invariant: a name is there once; built-in scopes are never rows.
import type { Selectable } from 'kysely'
import { isUniqueViolation, withDatabase, type Database } from '../storage/database.ts'
import type { ScopeRow } from '../storage/schema.ts'
import type { Scope } from './scope.ts'

/** The database as the catalogue needs it. */
export interface ScopeStore {
  list(): Promise<Scope[]>
  /** Returns `false` when there is one of that name. */
  insert(scope: Omit<Scope, 'version'>, at: Date): Promise<boolean>
  find(name: string): Promise<Scope | undefined>
  /** Writes the scope if the version is still that one, which goes up by one; returns whether it was. */
  update(scope: Omit<Scope, 'version'>, version: number, at: Date): Promise<boolean>
  remove(name: string): Promise<boolean>
}

const toScope = (row: Selectable<ScopeRow>): Scope => ({
  name: row.name,
  sentence: row.sentence,
  group: row.group_name,
  sensitive: row.sensitive,
  deprecated: row.deprecated,
  audience: row.audience ?? undefined,
  version: row.version,
})

/** Creates the store over the database. */
export function createScopeStore(db: Database): ScopeStore {
  return {
    list: () =>
      withDatabase(async () => {
        const rows = await db.selectFrom('scopes').selectAll().orderBy('name').execute()
        return rows.map(toScope)
      }),

    find: (name) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('scopes')
          .selectAll()
          .where('name', '=', name)
          .executeTakeFirst()
        return row && toScope(row)
      }),

    insert: (scope, at) =>
      withDatabase(async () => {
        try {
          await db
            .insertInto('scopes')
            .values({
              name: scope.name,
              sentence: scope.sentence,
              group_name: scope.group,
              sensitive: scope.sensitive,
              deprecated: scope.deprecated,
              audience: scope.audience ?? null,
              created_at: at,
              updated_at: at,
            })
            .execute()
          return true
        } catch (error) {
          if (isUniqueViolation(error)) return false
          throw error
        }
      }),

    update: (scope, version, at) =>
      withDatabase(async () => {
        const updated = await db
          .updateTable('scopes')
          .set((eb) => ({
            sentence: scope.sentence,
            group_name: scope.group,
            sensitive: scope.sensitive,
            deprecated: scope.deprecated,
            audience: scope.audience ?? null,
            version: eb('version', '+', 1),
            updated_at: at,
          }))
          .where('name', '=', scope.name)
          .where('version', '=', version)
          .executeTakeFirst()
        return updated.numUpdatedRows > 0n
      }),

    remove: (name) =>
      withDatabase(async () => {
        const removed = await db.deleteFrom('scopes').where('name', '=', name).executeTakeFirst()
        return removed.numDeletedRows > 0n
      }),
  }
}
