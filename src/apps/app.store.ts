// Apps, their secrets and logos in Postgres (or PGlite). Invariant: each change is one transaction that also raises the app's version, and
// shutting an app down writes, in that same transaction, the job that kills its tokens, so that nothing is ever half shut down.
import {
  canActForItself,
  freezeApp,
  type App,
  type AppSecret,
  type AppSettings,
  type AppStatus,
  type AppType,
} from '../model/app.ts'
import { type Insertable, type Selectable, type Transaction, sql } from 'kysely'
import {
  type Database,
  isUniqueViolation,
  withDatabase,
  type WriteAlong,
} from '../storage/database.ts'
import { writePurgeJob } from '../storage/purge-outbox.ts'
import type { AppRow, AppSecretRow, Tables } from '../storage/schema.ts'
import { beginsWith, contains, findsParts } from '../storage/text-search.ts'
import { ALL_SETTINGS, APP_SETTINGS, makeSettings, type SettingName } from './app-settings.ts'
import type { Logo } from './logo.ts'
import type { HashRenewal } from './secret-usage.ts'

type SettingColumn = (typeof APP_SETTINGS)[SettingName]['wire']

/** A page of a list, newest first. */
export interface AppPageQuery {
  /** Part of the name (its beginning where it is fewer than three characters), or a whole client id or handle. */
  readonly search?: string | undefined
  readonly type?: AppType | undefined
  readonly statuses: readonly AppStatus[]
  /** Only apps that may ask for this one. */
  readonly scope?: string | undefined
  /** Where the page before ended. */
  readonly after?: { readonly createdAt: string; readonly id: string } | undefined
  readonly limit: number
}

/** What adding a secret came to. */
export type AddSecretOutcome =
  /** `app` is how it was when the transaction ended. */
  { readonly kind: 'added'; readonly app: App } | 'too-many' | 'unknown-app'

/** The database as the registry needs it. Deleted apps are found, but no longer change. */
export interface AppStore {
  /** Returns `false` when another app has the handle. */
  insert(app: App, logo?: Logo, along?: WriteAlong<App>): Promise<boolean>
  findByHandle(handle: string): Promise<App | undefined>
  /** Finds the app that has a secret of one of these keyed hashes; deleted ones too. */
  findBySecretHash(hashes: readonly string[]): Promise<App | undefined>
  find(id: string): Promise<App | undefined>
  list(query: AppPageQuery): Promise<App[]>
  /** Counts the apps that are not deleted by the scopes that they may ask for; scopes that none has are not there. */
  countByScope(): Promise<ReadonlyMap<string, number>>
  countOfScope(scope: string): Promise<number>
  /** Writes the settings if the version is still that one. */
  updateSettings(
    id: string,
    version: number,
    settings: AppSettings,
    at: Date,
  ): Promise<'updated' | 'conflict' | 'handle-taken'>
  /** Sets the status; with `purge`, also writes the job that kills all tokens. Returns whether there was such an app. */
  changeStatus(
    id: string,
    change: { status: AppStatus; reason: string | undefined; purge: boolean; at: Date },
  ): Promise<boolean>
  /** Adds a secret unless as many live ones are there; secrets that expired before `forgetBefore` are removed on the way. */
  addSecret(
    appId: string,
    secret: AppSecret,
    limits: { live: number; now: Date; forgetBefore: Date; along?: WriteAlong<App> | undefined },
  ): Promise<AddSecretOutcome>
  /** Removes a secret; with `endOwn`, the tokens that the app got for itself end as well. */
  removeSecret(
    appId: string,
    secretId: string,
    options: { endOwn: boolean; at: Date },
  ): Promise<boolean>
  /**
   * Ends all tokens, and writes the job that removes them; the app can get new ones. Returns
   * whether there is such an app.
   */
  endAll(id: string, reason: string, at: Date): Promise<boolean>
  noteSecretUses(uses: ReadonlyMap<string, Date>): Promise<void>
  replaceSecretHashes(renewals: readonly HashRenewal[]): Promise<void>
  /**
   * Counts the live secrets of living apps by the key that made their hash; `undefined` for those
   * made before that was recorded.
   */
  countSecretsByKey(now: Date): Promise<Map<string | undefined, number>>
  setLogo(appId: string, logo: Logo | undefined, at: Date): Promise<boolean>
  /** Finds those that there are. */
  findLogos(ids: readonly string[]): Promise<Logo[]>
}

function toSecret(row: Selectable<AppSecretRow>): AppSecret {
  return {
    id: row.id,
    hash: row.hash,
    keyId: row.key_id ?? undefined,
    hint: row.hint,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  }
}

function toApp(row: Selectable<AppRow>, secrets: readonly AppSecret[]): App {
  return freezeApp({
    id: row.id,
    ...makeSettings((name) => row[APP_SETTINGS[name].wire] ?? undefined),
    // A release without the switch leaves it on for apps of every type.
    clientCredentials: row.client_credentials && canActForItself(row.type),
    logoId: row.logo_id ?? undefined,
    status: row.status,
    statusReason: row.status_reason ?? undefined,
    version: row.version,
    generation: row.generation,
    grantsFrom: row.grants_from,
    ownFrom: row.own_from,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    secrets,
  })
}

/** The columns of the settings that may change. */
const settingsColumns = (settings: AppSettings) =>
  Object.fromEntries(
    ALL_SETTINGS.filter(([name]) => name !== 'type').map(([name, { wire, kind }]) => [
      wire,
      kind === 'list' ? JSON.stringify(settings[name]) : (settings[name] ?? null),
    ]),
  ) as Pick<Insertable<AppRow>, Exclude<SettingColumn, 'type'>>

const secretRow = (appId: string, secret: AppSecret): Insertable<AppSecretRow> => ({
  id: secret.id,
  app_id: appId,
  hash: secret.hash,
  key_id: secret.keyId ?? null,
  hint: secret.hint,
  created_at: secret.createdAt,
  expires_at: secret.expiresAt ?? null,
  last_used_at: secret.lastUsedAt ?? null,
})

// Said so that the index over the scopes answers it.
const hasScope = (scope: string) => sql<boolean>`scopes @> ${JSON.stringify([scope])}::jsonb`

/** Locks the row of an app that may still change, until the transaction ends; returns whether there is one. */
async function lock(trx: Transaction<Tables>, id: string): Promise<boolean> {
  const row = await trx
    .selectFrom('apps')
    .select('id')
    .where('id', '=', id)
    .where('status', '!=', 'deleted')
    .forUpdate()
    .executeTakeFirst()
  return row !== undefined
}

/** Raises the version and returns whether there is such an app; the row stays locked until the transaction ends. */
async function touch(trx: Transaction<Tables>, id: string, at: Date): Promise<boolean> {
  const touched = await trx
    .updateTable('apps')
    .set((eb) => ({ version: eb('version', '+', 1), updated_at: at }))
    .where('id', '=', id)
    .where('status', '!=', 'deleted')
    .executeTakeFirst()
  return touched.numUpdatedRows > 0n
}

/**
 * Ends what the app has: its own tokens, and with `grants` also those of people. What was begun
 * before counts nowhere from the end of the
 * transaction on. Returns the new generation; `undefined` where there is no such app.
 */
async function raise(
  trx: Transaction<Tables>,
  id: string,
  { grants }: { grants: boolean },
): Promise<number | undefined> {
  const raised = sql<number>`generation + 1`
  const row = await trx
    .updateTable('apps')
    .set({ generation: raised, own_from: raised, ...(grants && { grants_from: raised }) })
    .where('id', '=', id)
    .returning('generation')
    .executeTakeFirst()
  return row?.generation
}

/**
 * Ends all tokens of an app, and writes the job that removes them. Returns whether there is such an
 * app.
 */
async function endAll(
  trx: Transaction<Tables>,
  id: string,
  reason: string,
  at: Date,
): Promise<boolean> {
  const generation = await raise(trx, id, { grants: true })
  if (generation === undefined) return false
  await writePurgeJob(trx, { kind: 'app', appId: id, reason }, at, generation)
  return true
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

/** Creates the store over the database. */
export function createAppStore(db: Database): AppStore {
  const transaction = <T>(work: (trx: Transaction<Tables>) => Promise<T>): Promise<T> =>
    withDatabase(() => db.transaction().execute(work))

  /** Does work in a transaction; `taken` is the answer where another app has the handle, the one unique column that an admin writes. */
  async function unlessTaken<T, Taken>(
    taken: Taken,
    work: (trx: Transaction<Tables>) => Promise<T>,
  ): Promise<T | Taken> {
    try {
      return await transaction(work)
    } catch (error) {
      if (isUniqueViolation(error)) return taken
      throw error
    }
  }

  async function secretsOf(appIds: readonly string[]): Promise<Map<string, AppSecret[]>> {
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

  async function find(
    id: string,
    source: Database | Transaction<Tables> = db,
  ): Promise<App | undefined> {
    // One statement, so that the app and its secrets are of one moment.
    const rows = await source
      .selectFrom('apps')
      .leftJoin('app_secrets as secret', 'secret.app_id', 'apps.id')
      .selectAll('apps')
      .select([
        'secret.id as secret_id',
        'secret.hash',
        'secret.key_id',
        'secret.hint',
        'secret.created_at as secret_created_at',
        'secret.expires_at',
        'secret.last_used_at',
      ])
      .where('apps.id', '=', id)
      .orderBy('secret.created_at')
      .orderBy('secret.id')
      .execute()
    const [app] = rows
    if (app === undefined) return undefined
    const secrets = rows.flatMap((row): AppSecret[] =>
      row.secret_id === null ||
      row.hash === null ||
      row.hint === null ||
      row.secret_created_at === null
        ? []
        : [
            {
              id: row.secret_id,
              hash: row.hash,
              keyId: row.key_id ?? undefined,
              hint: row.hint,
              createdAt: row.secret_created_at,
              expiresAt: row.expires_at ?? undefined,
              lastUsedAt: row.last_used_at ?? undefined,
            },
          ],
    )
    return toApp(app, secrets)
  }

  return {
    insert: (app, logo, along) =>
      unlessTaken(false, async (trx) => {
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
      }),

    find: (id) => withDatabase(() => find(id)),
    findByHandle: (handle) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('apps')
          .select('id')
          .where('handle', '=', handle)
          .executeTakeFirst()
        return row && find(row.id)
      }),
    findBySecretHash: (hashes) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('app_secrets')
          .select('app_id')
          .where('hash', 'in', hashes)
          .executeTakeFirst()
        return row && find(row.app_id)
      }),

    list: ({ search, type, statuses, scope, after, limit }) =>
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
        const secrets = await secretsOf(rows.map(({ id }) => id))
        return rows.map((row) => toApp(row, secrets.get(row.id) ?? []))
      }),

    countByScope: () =>
      withDatabase(async () => {
        const { rows } = await sql<{ scope: string; count: string }>`
          select scope, count(*) as count
          from apps, jsonb_array_elements_text(scopes) as scope
          where status <> 'deleted'
          group by scope`.execute(db)
        return new Map(rows.map(({ scope, count }) => [scope, Number(count)]))
      }),

    countOfScope: (scope) =>
      withDatabase(async () => {
        const { count } = await db
          .selectFrom('apps')
          .select(({ fn }) => fn.countAll().as('count'))
          .where(hasScope(scope))
          .where('status', '<>', 'deleted')
          .executeTakeFirstOrThrow()
        return Number(count)
      }),

    updateSettings: (id, version, settings, at) =>
      unlessTaken('handle-taken' as const, async (trx) => {
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
      }),

    changeStatus: (id, { status, reason, purge, at }) =>
      transaction(async (trx) => {
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
          await endAll(trx, id, status === 'deleted' ? 'app_deleted' : 'app_suspended', at)
        return true
      }),

    addSecret: (appId, secret, { live, now, forgetBefore, along }) =>
      transaction(async (trx) => {
        // Locked before it is counted: two admins who add the last allowed secret at once must not both succeed.
        if (!(await lock(trx, appId))) return 'unknown-app'
        const { count } = await trx
          .selectFrom('app_secrets')
          .select((eb) => eb.fn.countAll<string>().as('count'))
          .where('app_id', '=', appId)
          .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
          .executeTakeFirstOrThrow()
        if (Number(count) >= live) return 'too-many'
        await trx
          .deleteFrom('app_secrets')
          .where('app_id', '=', appId)
          .where('expires_at', '<', forgetBefore)
          .execute()
        await trx.insertInto('app_secrets').values(secretRow(appId, secret)).execute()
        await touch(trx, appId, now)
        const app = await find(appId, trx)
        if (app === undefined) return 'unknown-app'
        await along?.(trx, app)
        return { kind: 'added', app }
      }),

    removeSecret: (appId, secretId, { endOwn, at }) =>
      transaction(async (trx) => {
        // The app's row is always locked before its secrets, or two changes could wait for each other.
        if (!(await lock(trx, appId))) return false
        const removed = await trx
          .deleteFrom('app_secrets')
          .where('id', '=', secretId)
          .where('app_id', '=', appId)
          .executeTakeFirst()
        if (removed.numDeletedRows === 0n) return false
        if (endOwn) await raise(trx, appId, { grants: false })
        return touch(trx, appId, at)
      }),

    endAll: (id, reason, at) => transaction((trx) => endAll(trx, id, reason, at)),

    noteSecretUses: (uses) =>
      withDatabase(async () => {
        const list = JSON.stringify([...uses].map(([id, at]) => ({ id, at: at.toISOString() })))
        await sql`
          update app_secrets as secret
          set last_used_at = greatest(secret.last_used_at, used.at)
          from jsonb_to_recordset(${list}::jsonb) as used(id text, at timestamptz)
          where secret.id = used.id
        `.execute(db)
      }),

    replaceSecretHashes: (renewals) =>
      withDatabase(async () => {
        await sql`
          update app_secrets as secret
          set hash = renewal.after, key_id = renewal."keyId"
          from jsonb_to_recordset(${JSON.stringify(renewals)}::jsonb)
            as renewal(id text, before text, after text, "keyId" text)
          where secret.id = renewal.id and secret.hash = renewal.before
        `.execute(db)
      }),

    countSecretsByKey: (now) =>
      withDatabase(async () => {
        const rows = await db
          .selectFrom('app_secrets as secret')
          .innerJoin('apps', 'apps.id', 'secret.app_id')
          .select((eb) => ['secret.key_id', eb.fn.countAll<string>().as('count')])
          .where('apps.status', '!=', 'deleted')
          .where((eb) =>
            eb.or([eb('secret.expires_at', 'is', null), eb('secret.expires_at', '>', now)]),
          )
          .groupBy('secret.key_id')
          .execute()
        return new Map(rows.map(({ key_id: keyId, count }) => [keyId ?? undefined, Number(count)]))
      }),

    setLogo: (appId, logo, at) =>
      transaction(async (trx) => {
        if (!(await touch(trx, appId, at))) return false
        if (logo !== undefined) await insertLogo(trx, logo, at)
        await trx
          .updateTable('apps')
          .set({ logo_id: logo?.id ?? null })
          .where('id', '=', appId)
          .execute()
        return true
      }),

    findLogos: (ids) =>
      withDatabase(async () => {
        const rows = await db.selectFrom('logos').selectAll().where('id', 'in', ids).execute()
        return rows.map((row) => ({
          id: row.id,
          contentType: row.content_type as Logo['contentType'],
          bytes: row.bytes,
        }))
      }),
  }
}
