// Tokens of connections that ended, until the provider knows. Invariants: they are encrypted as
// they were, for the same connection; and one process at a time has one.
import { type Selectable, sql } from 'kysely'
import type { Encryption } from '../shared/encryption.ts'
import type { Secret } from '../shared/secret.ts'
import { type Database, withDatabase } from '../storage/database.ts'
import type { WithdrawalRow } from '../storage/schema.ts'
import type { CredentialKind } from './connection.ts'
import type { UsableConnection } from './connection.store.ts'
import { decryptCredential, encryptCredential } from './credential.store.ts'
import { decryptClientSecret, encryptClientSecret } from './integration.store.ts'
import type { WithdrawalReason } from './withdrawal-writes.store.ts'

/** Tokens that a provider is to be told of. */
export interface Withdrawal {
  readonly id: string
  readonly connectionId: string
  readonly integrationId: string
  readonly integrationHandle: string
  /** Absent where they were the company's. */
  readonly accountId: string | undefined
  readonly providerKey: string
  readonly clientId: string
  readonly clientSecret: Secret<string> | undefined
  readonly config: Readonly<Record<string, string>>
  readonly accessToken: Secret<string> | undefined
  readonly refreshToken: Secret<string> | undefined
  readonly reason: WithdrawalReason
  /** This one included. */
  readonly tries: number
  readonly createdAt: Date
}

/** Tokens in clear, as they came from a provider. */
export interface TokenPair {
  readonly accessToken: Secret<string>
  readonly refreshToken: Secret<string> | undefined
}

export interface WithdrawalStore {
  /** Adds tokens that were never written, or are no longer. */
  add(
    usable: UsableConnection,
    tokens: TokenPair,
    reason: WithdrawalReason,
    at: Date,
  ): Promise<void>
  /** Takes those that are due; no other process gets them before `until`. */
  takeDue(now: Date, until: Date, most: number): Promise<Withdrawal[]>
  /** Takes those of a connection, due or not. */
  takeOf(connectionId: string, until: Date): Promise<Withdrawal[]>
  postpone(id: string, until: Date): Promise<void>
  remove(id: string): Promise<void>
}

/** Creates the store over the database. */
export function createWithdrawalStore(db: Database, encryption: Encryption): WithdrawalStore {
  const take = (which: ReturnType<typeof sql>, until: Date): Promise<Withdrawal[]> =>
    withDatabase(async () => {
      // What an admin has changed since is what the provider takes.
      const { rows } = await sql<Selectable<WithdrawalRow>>`
        with taken as (
          update withdrawals set due_at = ${until}, tries = tries + 1
          where id in (select id from withdrawals where ${which} for update skip locked)
          returning *
        )
        select t.id, t.connection_id, t.integration_id, t.integration_handle, t.owner_kind,
          t.owner_id, t.external_id, t.provider_key, t.config, t.encrypted_access_token,
          t.encrypted_refresh_token, t.reason, t.tries, t.due_at, t.created_at,
          coalesce(i.client_id, t.client_id) as client_id,
          case when i.id is null then t.encrypted_client_secret else i.encrypted_client_secret end
            as encrypted_client_secret
        from taken t left join integrations i on i.id = t.integration_id`.execute(db)
      return rows.map((row) => toWithdrawal(row, encryption))
    })
  return {
    add: (usable, tokens, reason, at) =>
      withDatabase(() => add(db, encryption, usable, tokens, reason, at)),
    takeDue: (now, until, most) => take(sql`due_at <= ${now} order by due_at limit ${most}`, until),
    takeOf: (connectionId, until) => take(sql`connection_id = ${connectionId}`, until),
    postpone: (id, until) =>
      withDatabase(async () => {
        await db.updateTable('withdrawals').set({ due_at: until }).where('id', '=', id).execute()
      }),
    remove: (id) =>
      withDatabase(async () => {
        await db.deleteFrom('withdrawals').where('id', '=', id).execute()
      }),
  }
}

function toWithdrawal(row: Selectable<WithdrawalRow>, encryption: Encryption): Withdrawal {
  const open = (kind: CredentialKind, value: string | null) =>
    value === null
      ? undefined
      : decryptCredential(encryption, row.connection_id, { kind, name: '', value })
  return {
    id: row.id,
    connectionId: row.connection_id,
    integrationId: row.integration_id,
    integrationHandle: row.integration_handle,
    accountId: row.owner_kind === 'account' ? row.owner_id : undefined,
    providerKey: row.provider_key,
    clientId: row.client_id ?? '',
    clientSecret:
      row.encrypted_client_secret === null
        ? undefined
        : decryptClientSecret(encryption, row.integration_id, row.encrypted_client_secret),
    config: row.config,
    accessToken: open('oauth_access_token', row.encrypted_access_token),
    refreshToken: open('oauth_refresh_token', row.encrypted_refresh_token),
    reason: row.reason as WithdrawalReason,
    tries: row.tries,
    createdAt: row.created_at,
  }
}

async function add(
  db: Database,
  encryption: Encryption,
  usable: UsableConnection,
  { accessToken, refreshToken }: TokenPair,
  reason: WithdrawalReason,
  at: Date,
): Promise<void> {
  const { connection, integration } = usable
  const { id, owner } = connection
  const secret = usable.clientSecret()
  const encrypt = (kind: CredentialKind, value: Secret<string>): string =>
    encryptCredential(encryption, id, { kind, name: '', value })
  await db
    .insertInto('withdrawals')
    .values({
      connection_id: id,
      integration_id: integration.id,
      integration_handle: integration.handle,
      owner_kind: owner.kind,
      owner_id: owner.kind === 'account' ? owner.id : '',
      external_id: connection.externalId ?? '',
      provider_key: integration.providerKey,
      client_id: integration.clientId ?? null,
      encrypted_client_secret: secret
        ? encryptClientSecret(encryption, integration.id, secret)
        : null,
      config: JSON.stringify({ ...integration.config, ...connection.config }),
      encrypted_access_token: encrypt('oauth_access_token', accessToken),
      encrypted_refresh_token:
        refreshToken === undefined ? null : encrypt('oauth_refresh_token', refreshToken),
      reason,
      due_at: at,
      created_at: at,
    })
    .execute()
}
