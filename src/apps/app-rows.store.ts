// The rows of apps and their secrets, read and changed within a statement or transaction of
// somebody else. Invariant: the row of an app is always locked before those of its secrets, or two
// changes could wait for each other. Called by app.store.ts and app-secrets.store.ts alone.
import { type Insertable, type Selectable, type Transaction, sql } from 'kysely'
import {
  canActForItself,
  freezeApp,
  type App,
  type AppSecret,
  type AppSettings,
} from '../model/app.ts'
import { type Database, withDatabase } from '../storage/database.ts'
import { writePurgeJob } from '../storage/purge-outbox.ts'
import type { AppRow, AppSecretRow, Tables } from '../storage/schema.ts'
import { ALL_SETTINGS, APP_SETTINGS, makeSettings, type SettingName } from './app-settings.ts'

type SettingColumn = (typeof APP_SETTINGS)[SettingName]['wire']

export function toSecret(row: Selectable<AppSecretRow>): AppSecret {
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

export function toApp(row: Selectable<AppRow>, secrets: readonly AppSecret[]): App {
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
export const settingsColumns = (settings: AppSettings) =>
  Object.fromEntries(
    ALL_SETTINGS.filter(([name]) => name !== 'type').map(([name, { wire, kind }]) => [
      wire,
      kind === 'list' ? JSON.stringify(settings[name]) : (settings[name] ?? null),
    ]),
  ) as Pick<Insertable<AppRow>, Exclude<SettingColumn, 'type'>>

export const secretRow = (appId: string, secret: AppSecret): Insertable<AppSecretRow> => ({
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
export const hasScope = (scope: string) => sql<boolean>`scopes @> ${JSON.stringify([scope])}::jsonb`

/** Locks the row of an app that may still change, until the transaction ends; returns whether there is one. */
export async function lock(trx: Transaction<Tables>, id: string): Promise<boolean> {
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
export async function touch(trx: Transaction<Tables>, id: string, at: Date): Promise<boolean> {
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
 * before counts nowhere from the end of the transaction on. Returns the new generation; `undefined`
 * where there is no such app.
 */
export async function raise(
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
export async function endAllOfApp(
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

export async function readApp(
  source: Database | Transaction<Tables>,
  id: string,
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

/** Does work in a transaction. */
export const inTransaction = <T>(
  db: Database,
  work: (trx: Transaction<Tables>) => Promise<T>,
): Promise<T> => withDatabase(() => db.transaction().execute(work))
