// The secrets of apps in Postgres (or PGlite): the part of app.store.ts that is about them.
// Invariant: of two admins who add the last allowed secret at once, one is refused.
import { sql } from 'kysely'
import { withDatabase } from '../storage/database.ts'
import { inTransaction, lock, raise, readApp, secretRow, touch } from './app-rows.store.ts'
import type { OnDatabase } from './app-persistence.ts'

export const findBySecretHash: OnDatabase<'findBySecretHash'> = (db, hashes) =>
  withDatabase(async () => {
    const row = await db
      .selectFrom('app_secrets')
      .select('app_id')
      .where('hash', 'in', hashes)
      .executeTakeFirst()
    return row && readApp(db, row.app_id)
  })

export const addSecret: OnDatabase<'addSecret'> = (
  db,
  appId,
  secret,
  { live, now, forgetBefore, along },
) =>
  inTransaction(db, async (trx) => {
    // Locked before it is counted: two admins who add the last allowed secret at once must not both
    // succeed.
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
    const app = await readApp(trx, appId)
    if (app === undefined) return 'unknown-app'
    await along?.(trx, app)
    return { kind: 'added', app }
  })

export const removeSecret: OnDatabase<'removeSecret'> = (db, appId, secretId, { endOwn, at }) =>
  inTransaction(db, async (trx) => {
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
  })

export const noteSecretUses: OnDatabase<'noteSecretUses'> = (db, uses) =>
  withDatabase(async () => {
    const list = JSON.stringify([...uses].map(([id, at]) => ({ id, at: at.toISOString() })))
    await sql`
      update app_secrets as secret
      set last_used_at = greatest(secret.last_used_at, used.at)
      from jsonb_to_recordset(${list}::jsonb) as used(id text, at timestamptz)
      where secret.id = used.id
    `.execute(db)
  })

export const replaceSecretHashes: OnDatabase<'replaceSecretHashes'> = (db, renewals) =>
  withDatabase(async () => {
    await sql`
      update app_secrets as secret
      set hash = renewal.after, key_id = renewal."keyId"
      from jsonb_to_recordset(${JSON.stringify(renewals)}::jsonb)
        as renewal(id text, before text, after text, "keyId" text)
      where secret.id = renewal.id and secret.hash = renewal.before
    `.execute(db)
  })

export const countSecretsByKey: OnDatabase<'countSecretsByKey'> = (db, now) =>
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
  })
