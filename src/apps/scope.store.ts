// The scope catalogue's rows. Invariant: a name is there once; built-in scopes are never rows.
import { isUniqueViolation, withDatabase, type Database } from '../storage/database.ts'
import type { Scope } from './scope.ts'

/** The database as the catalogue needs it. */
export interface ScopeStore {
  list(): Promise<Scope[]>
  /** Returns `false` when there is one of that name. */
  insert(scope: Scope, at: Date): Promise<boolean>
  /** Returns whether there was one of that name. */
  update(scope: Scope, at: Date): Promise<boolean>
  remove(name: string): Promise<boolean>
}

/** Creates the store over the database. */
export function createScopeStore(db: Database): ScopeStore {
  return {
    list: () =>
      withDatabase(async () => {
        const rows = await db.selectFrom('scopes').selectAll().orderBy('name').execute()
        return rows.map((row) => ({
          name: row.name,
          sentence: row.sentence,
          group: row.group_name,
          sensitive: row.sensitive,
          deprecated: row.deprecated,
        }))
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

    update: (scope, at) =>
      withDatabase(async () => {
        const updated = await db
          .updateTable('scopes')
          .set({
            sentence: scope.sentence,
            group_name: scope.group,
            sensitive: scope.sensitive,
            deprecated: scope.deprecated,
            updated_at: at,
          })
          .where('name', '=', scope.name)
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
