// Providers that admins wrote, in the database. Those of the catalogue are files, and win over a
// row of the same key.
import {
  type Database,
  isUniqueViolation,
  type OpenTransaction,
  withDatabase,
} from '../storage/database.ts'
import type { Provider } from '../providers/provider.ts'

/** Keeps custom providers. */
export interface ProviderStore {
  find(key: string): Promise<Provider | undefined>
  list(): Promise<Provider[]>
  /** Finds one with its version, which goes up with every change. */
  findOwn(key: string): Promise<{ provider: Provider; version: number } | undefined>
  /** Returns `false` where there is one of that key. */
  insert(provider: Provider, at: Date): Promise<boolean>
  /** Inserts one in an open transaction. @throws a unique violation where the key is taken */
  insertWithin(transaction: OpenTransaction, provider: Provider, at: Date): Promise<void>
  /**
   * Replaces the one of that key, if its version is that one; any where it is left out.
   *
   * @returns whether it did
   */
  replace(provider: Provider, at: Date, version?: number): Promise<boolean>
  /** Returns whether there was one. */
  remove(key: string): Promise<boolean>
}

/** Creates the store over the database. */
export function createProviderStore(db: Database): ProviderStore {
  return {
    find: (key) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('providers')
          .select('definition')
          .where('key', '=', key)
          .executeTakeFirst()
        return row?.definition as Provider | undefined
      }),

    list: () =>
      withDatabase(async () => {
        const rows = await db.selectFrom('providers').select('definition').orderBy('key').execute()
        return rows.map((row) => row.definition as unknown as Provider)
      }),

    insert: (provider, at) =>
      withDatabase(async () => {
        try {
          await insertProvider(db, provider, at)
          return true
        } catch (error) {
          if (isUniqueViolation(error)) return false
          throw error
        }
      }),

    insertWithin: insertProvider,

    findOwn: (key) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('providers')
          .select(['definition', 'version'])
          .where('key', '=', key)
          .executeTakeFirst()
        return row && { provider: row.definition as unknown as Provider, version: row.version }
      }),

    replace: (provider, at, version) =>
      withDatabase(async () => {
        const replaced = await db
          .updateTable('providers')
          .set((eb) => ({
            definition: JSON.stringify(provider),
            version: eb('version', '+', 1),
            updated_at: at,
          }))
          .where('key', '=', provider.key)
          .$if(version !== undefined, (query) => query.where('version', '=', version ?? 0))
          .executeTakeFirst()
        return replaced.numUpdatedRows > 0n
      }),

    remove: (key) =>
      withDatabase(async () => {
        const removed = await db.deleteFrom('providers').where('key', '=', key).executeTakeFirst()
        return removed.numDeletedRows > 0n
      }),
  }
}

async function insertProvider(db: Database, provider: Provider, at: Date): Promise<void> {
  await db
    .insertInto('providers')
    .values({
      key: provider.key,
      definition: JSON.stringify(provider),
      created_at: at,
      updated_at: at,
    })
    .execute()
}
