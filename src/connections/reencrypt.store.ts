// Encrypts credentials, client secrets, webhook secrets and tokens that are to be withdrawn anew
// under the current key, so that an older one can go. Invariants: each value is replaced only where
// it still is the one that was read, so that a refresh at the same moment wins; what is done stays
// done, and a run that was killed is begun again.
import { sql } from 'kysely'
import type { Encryption } from '../shared/encryption.ts'
import { type Database, withDatabase } from '../storage/database.ts'
import type { CredentialKind } from './connection.ts'
import { decryptCredential, encryptCredential, type StoredCredential } from './credential.store.ts'
import { reencryptWebhookSecret } from './webhooks/webhook-secret.store.ts'
import { decryptClientSecret, encryptClientSecret } from './integration.store.ts'

/** Encrypts anew. */
export interface ReencryptStore {
  /** Encrypts up to `most` values anew; returns how many, 0 when there are none left. */
  reencrypt(most: number): Promise<number>
  /** Counts the values: all, those of an older key, and those of none that is configured. */
  count(): Promise<{ all: number; older: number; lost: number }>
}

interface StaleCredential extends Omit<StoredCredential, 'expires'> {
  id: string
}

interface StaleSecret {
  id: string
  value: string
}

/** Creates the store over the database. */
export function createReencryptStore(db: Database, encryption: Encryption): ReencryptStore {
  const current = `${encryption.currentPrefix}%`
  return {
    reencrypt: (most) =>
      withDatabase(async () => {
        const { rows } = await sql<StaleCredential>`
          select connection_id as id, kind, name, encrypted_value as value from credentials
          where encrypted_value not like ${current} limit ${most}`.execute(db)
        return rows.length > 0
          ? await replaceCredentials(db, encryption, rows)
          : (await replaceSecrets(db, encryption, current)) ||
              (await replaceWebhookSecrets(db, encryption, current)) ||
              (await replaceWithdrawals(db, encryption, current))
      }),

    count: () =>
      withDatabase(async () => ({
        all: await countOutside(db, []),
        older: await countOutside(db, encryption.prefixes.slice(0, 1)),
        lost: await countOutside(db, encryption.prefixes),
      })),
  }
}

/** Counts the values that begin with none of these. */
async function countOutside(db: Database, prefixes: readonly string[]): Promise<number> {
  const known = prefixes.map((prefix) => `${prefix}%`)
  const { rows } = await sql<{ count: string }>`
    select count(*) as count from (
      select encrypted_value as value from credentials
      union all select encrypted_client_secret from integrations
      union all select encrypted_value from webhook_secrets
      union all select encrypted_client_secret from withdrawals
      union all select encrypted_access_token from withdrawals
      union all select encrypted_refresh_token from withdrawals
    ) as held where value is not null and value not like all (${known}::text[])`.execute(db)
  return Number(rows[0]?.count ?? 0)
}

async function replaceCredentials(
  db: Database,
  encryption: Encryption,
  stale: readonly StaleCredential[],
): Promise<number> {
  const pairs = stale.map(({ id, ...one }) => {
    const { kind, name } = one
    const value = decryptCredential(encryption, id, one)
    return {
      id,
      kind,
      name,
      before: one.value,
      after: encryptCredential(encryption, id, { kind, name, value }),
    }
  })
  await sql`
    update credentials c set encrypted_value = g.after
    from jsonb_to_recordset(${JSON.stringify(pairs)}::jsonb)
      as g (id text, kind text, name text, before text, after text)
    where c.connection_id = g.id and c.kind = g.kind and c.name = g.name
      and c.encrypted_value = g.before`.execute(db)
  return stale.length
}

async function replaceSecrets(
  db: Database,
  encryption: Encryption,
  current: string,
): Promise<number> {
  const { rows } = await sql<StaleSecret>`
    select id, encrypted_client_secret as value from integrations
    where encrypted_client_secret not like ${current} limit 100`.execute(db)
  for (const { id, value } of rows)
    await db
      .updateTable('integrations')
      .set({
        encrypted_client_secret: encryptClientSecret(
          encryption,
          id,
          decryptClientSecret(encryption, id, value),
        ),
      })
      .where('id', '=', id)
      .where('encrypted_client_secret', '=', value)
      .execute()
  return rows.length
}

async function replaceWebhookSecrets(
  db: Database,
  encryption: Encryption,
  current: string,
): Promise<number> {
  const { rows } = await sql<StaleSecret>`
    select id, encrypted_value as value from webhook_secrets
    where encrypted_value not like ${current} limit 100`.execute(db)
  for (const { id, value } of rows)
    await sql`
      update webhook_secrets set encrypted_value = ${reencryptWebhookSecret(encryption, id, value)}
      where id = ${id} and encrypted_value = ${value}`.execute(db)
  return rows.length
}

interface StaleWithdrawal {
  id: string
  connection_id: string
  integration_id: string
  encrypted_client_secret: string | null
  encrypted_access_token: string | null
  encrypted_refresh_token: string | null
}

const isStale = (current: string) => sql`(encrypted_client_secret not like ${current}
  or encrypted_access_token not like ${current} or encrypted_refresh_token not like ${current})`

async function replaceWithdrawals(
  db: Database,
  encryption: Encryption,
  current: string,
): Promise<number> {
  const { rows } = await sql<StaleWithdrawal>`
    select id, connection_id, integration_id, encrypted_client_secret, encrypted_access_token,
      encrypted_refresh_token
    from withdrawals where ${isStale(current)} limit 100`.execute(db)
  for (const { id, connection_id, integration_id, ...before } of rows) {
    const anew = (kind: CredentialKind, value: string | null): string | null => {
      if (value === null) return null
      const clear = decryptCredential(encryption, connection_id, { kind, name: '', value })
      return encryptCredential(encryption, connection_id, { kind, name: '', value: clear })
    }
    const secret = before.encrypted_client_secret
    // Nothing else changes these columns.
    await db
      .updateTable('withdrawals')
      .set({
        encrypted_access_token: anew('oauth_access_token', before.encrypted_access_token),
        encrypted_refresh_token: anew('oauth_refresh_token', before.encrypted_refresh_token),
        encrypted_client_secret:
          secret === null
            ? null
            : encryptClientSecret(
                encryption,
                integration_id,
                decryptClientSecret(encryption, integration_id, secret),
              ),
      })
      .where('id', '=', id)
      .execute()
  }
  return rows.length
}
