// The scope catalogue's rows. Invariants: a name is there once; built-in scopes are never rows; a
// scope that is created under the name of a removed one has another incarnation, and no app has it.
import type { Scope } from '../model/scope.ts'
import { type Insertable, type Selectable, sql, type Transaction } from 'kysely'
import type { NewScope } from './scope.ts'
import { ALL_SCOPE_SETTINGS, makeScopeSettings, SCOPE_SETTINGS } from './scope-settings.ts'
import {
  isUniqueViolation,
  type OpenTransaction,
  withDatabase,
  type Database,
} from '../storage/database.ts'
import type { ScopeRow, Tables } from '../storage/schema.ts'

/** A scope as it is stored. */
export interface StoredScope {
  scope: Scope
  /** How many scopes of this name were removed before this one was created. */
  incarnation: number
}

/** The database as the catalogue needs it. */
export interface ScopeStore {
  list(): Promise<StoredScope[]>
  /**
   * Inserts a scope and takes its name out of the lists of apps, which named an earlier scope.
   *
   * @returns the ids of those apps, or `undefined` when there is a scope of that name
   */
  insert(
    scope: NewScope,
    at: Date,
    along?: (transaction: OpenTransaction) => Promise<void>,
  ): Promise<string[] | undefined>
  find(name: string): Promise<Scope | undefined>
  /** Writes the scope if the version is still that one, which goes up by one; returns whether it was. */
  update(scope: NewScope, version: number, at: Date): Promise<boolean>
  remove(name: string): Promise<boolean>
}

const toScope = (row: Selectable<ScopeRow>): Scope => ({
  name: row.name,
  ...makeScopeSettings((name) => row[SCOPE_SETTINGS[name].column] ?? undefined),
  version: row.version,
})

type SettingColumn = (typeof SCOPE_SETTINGS)[keyof typeof SCOPE_SETTINGS]['column']

const settingsColumns = (scope: NewScope) =>
  Object.fromEntries(
    ALL_SCOPE_SETTINGS.map(([name, { column }]) => [column, scope[name] ?? null]),
  ) as Pick<Insertable<ScopeRow>, SettingColumn>

/** Creates the store over the database. */
export function createScopeStore(db: Database): ScopeStore {
  return {
    list: () =>
      withDatabase(async () => {
        const rows = await db.selectFrom('scopes').selectAll().orderBy('name').execute()
        return rows.map((row) => ({ scope: toScope(row), incarnation: row.incarnation }))
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

    insert: (scope, at, along) =>
      withDatabase(async () => {
        try {
          return await db.transaction().execute(async (transaction) => {
            await insertScope(transaction, scope, at)
            const appIds = await takeFromApps(transaction, scope.name, at)
            await along?.(transaction)
            return appIds
          })
        } catch (error) {
          if (isUniqueViolation(error)) return undefined
          throw error
        }
      }),

    update: (scope, version, at) =>
      withDatabase(async () => {
        const updated = await db
          .updateTable('scopes')
          .set((eb) => ({
            ...settingsColumns(scope),
            version: eb('version', '+', 1),
            updated_at: at,
          }))
          .where('name', '=', scope.name)
          .where('version', '=', version)
          .executeTakeFirst()
        return updated.numUpdatedRows > 0n
      }),

    remove: (name) => withDatabase(() => removeScope(db, name)),
  }
}

/** One statement, so that no scope is removed without its mark. */
async function removeScope(db: Database, name: string): Promise<boolean> {
  const { rows } = await sql<{ name: string }>`
    with removed as (delete from scopes where name = ${name} returning name, incarnation)
    insert into removed_scopes (name, removals) select name, incarnation + 1 from removed
    on conflict (name) do update
      set removals = greatest(removed_scopes.removals, excluded.removals)
    returning name`.execute(db)
  return rows.length > 0
}

async function insertScope(
  transaction: Transaction<Tables>,
  scope: NewScope,
  at: Date,
): Promise<void> {
  await transaction
    .insertInto('scopes')
    .values((eb) => ({
      name: scope.name,
      ...settingsColumns(scope),
      incarnation: eb.fn.coalesce(
        eb.selectFrom('removed_scopes').select('removals').where('name', '=', scope.name),
        eb.lit(0),
      ),
      created_at: at,
      updated_at: at,
    }))
    .execute()
}

async function takeFromApps(
  transaction: Transaction<Tables>,
  name: string,
  at: Date,
): Promise<string[]> {
  const rows = await transaction
    .updateTable('apps')
    .set({
      scopes: sql<string>`scopes - ${name}::text`,
      version: sql<number>`version + 1`,
      updated_at: at,
    })
    // Said so that the index over the scopes answers it.
    .where(sql<boolean>`scopes @> ${JSON.stringify([name])}::jsonb`)
    .returning('id')
    .execute()
  return rows.map(({ id }) => id)
}
