// Apps and their logos in Postgres (or PGlite). Invariant: each change is one transaction that also
// raises the app's version, and shutting an app down writes, in that same transaction, the job that
// kills its tokens, so that nothing is ever half shut down.
import { type Transaction, sql } from 'kysely'
import { type Database, isUniqueViolation, withDatabase } from '../storage/database.ts'
import type { Tables } from '../storage/schema.ts'
import { beginsWith, contains, findsParts } from '../storage/text-search.ts'
import type { AppSecret } from '../model/app.ts'
import { countUpTo, MOST_COUNTED } from '../model/list-order.ts'
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
  count: countApps.bind(undefined, db),
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

type Matching = Parameters<AppStore['count']>[0]

function matchingApps(db: Database, { search, type, statuses, scope }: Matching) {
  let query = db.selectFrom('apps').where('status', 'in', statuses)
  if (type !== undefined) query = query.where('type', '=', type)
  if (scope !== undefined) query = query.where(hasScope(scope))
  if (search === undefined) return query
  return query.where((eb) =>
    findsParts(search)
      ? eb.or([
          contains('name', search),
          beginsWith(sql`lower(id)`, search),
          beginsWith(sql.ref('handle'), search),
        ])
      : eb.or([beginsWith(sql`lower(name)`, search), eb('handle', '=', search)]),
  )
}

const listApps: OnDatabase<'list'> = (db, { order, after, limit, ...matching }) =>
  withDatabase(async () => {
    if (matching.statuses.length === 0) return []
    const direction = order.descending ? 'desc' : 'asc'
    const value = order.by === 'name' ? sql`lower(name)` : sql`created_at`
    let query = matchingApps(db, matching)
      .selectAll()
      .orderBy(value, direction)
      .orderBy('id', direction)
      .limit(limit)
    if (after !== undefined) {
      const beyond = order.descending ? sql`<` : sql`>`
      const last =
        order.by === 'name'
          ? sql`(select lower(name) from apps where id = ${after.id})`
          : sql`${after.createdAt}::timestamptz`
      query = query.where(sql<boolean>`(${value}, id) ${beyond} (${last}, ${after.id}::text)`)
    }
    const rows = await query.execute()
    const secrets = await secretsOf(
      db,
      rows.map(({ id }) => id),
    )
    return rows.map((row) => toApp(row, secrets.get(row.id) ?? []))
  })

const countApps: OnDatabase<'count'> = (db, matching) =>
  withDatabase(async () => {
    if (matching.statuses.length === 0) return countUpTo(0)
    const some = matchingApps(db, matching)
      .select('id')
      .limit(MOST_COUNTED + 1)
    const { count } = await db
      .selectFrom(some.as('some'))
      .select((eb) => eb.fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow()
    return countUpTo(Number(count))
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
