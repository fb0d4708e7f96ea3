// Apps and their logos in Postgres (or PGlite). Invariant: each change is one transaction that also
// raises the app's version, and shutting an app down writes, in that same transaction, the job that
// kills its tokens, so that nothing is ever half shut down.
import { type Transaction, sql } from 'kysely'
import { type Database, isUniqueViolation, withDatabase } from '../storage/database.ts'
import type { Tables } from '../storage/schema.ts'
import { beginsWith, contains, findsParts } from '../storage/text-search.ts'
import type { AppSecret } from '../model/app.ts'
import {
  endAllOfApp,
  hasScope,
  inTransaction,
  readApp,
  secretRow,
  settingsColumns,
  toApp,
  toSecret,
  touch,
} from './app-rows.store.ts'
import {
  addSecret,
  countSecretsByKey,
  findBySecretHash,
  noteSecretUses,
  removeSecret,
  replaceSecretHashes,
} from './app-secrets.store.ts'
import type { AppStore, OnDatabase } from './app-persistence.ts'
import type { Logo } from './logo.ts'

/** Creates the store over the database. */
export const createAppStore = (db: Database): AppStore => ({
  insert: insert.bind(undefined, db),
  find: findApp.bind(undefined, db),
  findByHandle: findByHandle.bind(undefined, db),
  findBySecretHash: findBySecretHash.bind(undefined, db),
  list: listApps.bind(undefined, db),
  countByScope: countByScope.bind(undefined, db),
  countOfScope: countOfScope.bind(undefined, db),
  updateSettings: updateSettings.bind(undefined, db),
  changeStatus: changeStatus.bind(undefined, db),
  addSecret: addSecret.bind(undefined, db),
  removeSecret: removeSecret.bind(undefined, db),
  endAll: endAllTokens.bind(undefined, db),
  noteSecretUses: noteSecretUses.bind(undefined, db),
  replaceSecretHashes: replaceSecretHashes.bind(undefined, db),
  countSecretsByKey: countSecretsByKey.bind(undefined, db),
  setLogo: setLogo.bind(undefined, db),
  findLogos: findLogos.bind(undefined, db),
})

/**
 * Does work in a transaction; `taken` is the answer where another app has the handle, the one
 * unique column that an admin writes.
 */
async function unlessTaken<T, Taken>(
  db: Database,
  taken: Taken,
  work: (trx: Transaction<Tables>) => Promise<T>,
): Promise<T | Taken> {
  try {
    return await inTransaction(db, work)
  } catch (error) {
    if (isUniqueViolation(error)) return taken
    throw error
  }
}

async function secretsOf(
  db: Database,
  appIds: readonly string[],
): Promise<Map<string, AppSecret[]>> {
  const rows =
    appIds.length === 0
      ? []
      : await db
          .selectFrom('app_secrets')
          .selectAll()
          .where('app_id', 'in', appIds)
          .orderBy('created_at')
          .orderBy('id')
          .execute()
  const byApp = new Map<string, AppSecret[]>()
  for (const row of rows) {
    const list = byApp.get(row.app_id) ?? []
    byApp.set(row.app_id, [...list, toSecret(row)])
  }
  return byApp
}

async function insertLogo(trx: Transaction<Tables>, logo: Logo, at: Date): Promise<void> {
  await trx
    .insertInto('logos')
    .values({
      id: logo.id,
      content_type: logo.contentType,
      bytes: logo.bytes,
      created_at: at,
    })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute()
}

const insert: OnDatabase<'insert'> = (db, app, logo, along) =>
  unlessTaken(db, false, async (trx) => {
    if (logo !== undefined) await insertLogo(trx, logo, app.createdAt)
    await trx
      .insertInto('apps')
      .values({
        ...settingsColumns(app),
        id: app.id,
        type: app.type,
        logo_id: app.logoId ?? null,
        status: app.status,
        status_reason: app.statusReason ?? null,
        version: app.version,
        created_at: app.createdAt,
        updated_at: app.updatedAt,
      })
      .execute()
    for (const secret of app.secrets)
      await trx.insertInto('app_secrets').values(secretRow(app.id, secret)).execute()
    await along?.(trx, app)
    return true
  })

const findApp: OnDatabase<'find'> = (db, id) => withDatabase(() => readApp(db, id))

const findByHandle: OnDatabase<'findByHandle'> = (db, handle) =>
  withDatabase(async () => {
    const row = await db
      .selectFrom('apps')
      .select('id')
      .where('handle', '=', handle)
      .executeTakeFirst()
    return row && readApp(db, row.id)
  })

const listApps: OnDatabase<'list'> = (db, { search, type, statuses, scope, after, limit }) =>
  withDatabase(async () => {
    if (statuses.length === 0) return []
    let query = db
      .selectFrom('apps')
      .selectAll()
      .where('status', 'in', statuses)
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit)
    if (type !== undefined) query = query.where('type', '=', type)
    if (scope !== undefined) query = query.where(hasScope(scope))
    if (after !== undefined)
      query = query.where(
        sql<boolean>`(created_at, id) < (${after.createdAt}::timestamptz, ${after.id}::text)`,
      )
    if (search !== undefined)
      query = query.where((eb) =>
        eb.or([
          findsParts(search) ? contains('name', search) : beginsWith(sql`lower(name)`, search),
          eb('id', '=', search),
          eb('handle', '=', search),
        ]),
      )
    const rows = await query.execute()
    const secrets = await secretsOf(
      db,
      rows.map(({ id }) => id),
    )
    return rows.map((row) => toApp(row, secrets.get(row.id) ?? []))
  })

const countByScope: OnDatabase<'countByScope'> = (db) =>
  withDatabase(async () => {
    const { rows } = await sql<{ scope: string; count: string }>`
      select scope, count(*) as count
      from apps, jsonb_array_elements_text(scopes) as scope
      where status <> 'deleted'
      group by scope`.execute(db)
    return new Map(rows.map(({ scope, count }) => [scope, Number(count)]))
  })

const countOfScope: OnDatabase<'countOfScope'> = (db, scope) =>
  withDatabase(async () => {
    const { count } = await db
      .selectFrom('apps')
      .select(({ fn }) => fn.countAll().as('count'))
      .where(hasScope(scope))
      .where('status', '<>', 'deleted')
      .executeTakeFirstOrThrow()
    return Number(count)
  })

const updateSettings: OnDatabase<'updateSettings'> = (db, id, version, settings, at) =>
  unlessTaken(db, 'handle-taken' as const, async (trx) => {
    const updated = await trx
      .updateTable('apps')
      .set((eb) => ({
        ...settingsColumns(settings),
        version: eb('version', '+', 1),
        updated_at: at,
      }))
      .where('id', '=', id)
      .where('version', '=', version)
      .where('status', '!=', 'deleted')
      .executeTakeFirst()
    return updated.numUpdatedRows > 0n ? ('updated' as const) : ('conflict' as const)
  })

const changeStatus: OnDatabase<'changeStatus'> = (db, id, { status, reason, purge, at }) =>
  inTransaction(db, async (trx) => {
    if (!(await touch(trx, id, at))) return false
    await trx
      .updateTable('apps')
      .set({
        status,
        status_reason: reason ?? null,
        // A deleted app leaves its handle to the next.
        ...(status === 'deleted' && { handle: null }),
      })
      .where('id', '=', id)
      .execute()
    if (purge)
      // A code, which each revoked grant will carry; the admin's words stay with the app.
      await endAllOfApp(trx, id, status === 'deleted' ? 'app_deleted' : 'app_suspended', at)
    return true
  })

const endAllTokens: OnDatabase<'endAll'> = (db, id, reason, at) =>
  inTransaction(db, (trx) => endAllOfApp(trx, id, reason, at))

const setLogo: OnDatabase<'setLogo'> = (db, appId, logo, at) =>
  inTransaction(db, async (trx) => {
    if (!(await touch(trx, appId, at))) return false
    if (logo !== undefined) await insertLogo(trx, logo, at)
    await trx
      .updateTable('apps')
      .set({ logo_id: logo?.id ?? null })
      .where('id', '=', appId)
      .execute()
    return true
  })

const findLogos: OnDatabase<'findLogos'> = (db, ids) =>
  withDatabase(async () => {
    const rows = await db.selectFrom('logos').selectAll().where('id', 'in', ids).execute()
    return rows.map((row) => ({
      id: row.id,
      contentType: row.content_type as Logo['contentType'],
      bytes: row.bytes,
    }))
  })
