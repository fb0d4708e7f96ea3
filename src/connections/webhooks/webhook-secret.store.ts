// The secrets of webhooks. Invariant: each is encrypted and bound to its row, and leaves the
// database in clear only to check a signature.
import type { Encryption, EncryptedPlace } from '../../shared/encryption.ts'
import { newWebhookSecretId } from '../../shared/ids.ts'
import { Secret } from '../../shared/secret.ts'
import { type Database, withDatabase } from '../../storage/database.ts'

/** What may be told of a secret. */
export interface WebhookSecretFacts {
  readonly id: string
  readonly createdAt: Date
}

/** Keeps the secrets of integrations. */
export interface WebhookSecretStore {
  /** Lists them, newest first. */
  list(integrationId: string): Promise<WebhookSecretFacts[]>
  /** Returns them in clear, newest first. */
  reveal(integrationId: string): Promise<Secret<string>[]>
  add(integrationId: string, value: Secret<string>, at: Date): Promise<WebhookSecretFacts>
  /** Returns whether there was one. */
  remove(integrationId: string, id: string): Promise<boolean>
}

const placeOf = (id: string): EncryptedPlace => ({
  table: 'webhook_secrets',
  column: 'value',
  rowId: id,
})

/** Encrypts a value of a row anew under the current key. */
export const reencryptWebhookSecret = (encryption: Encryption, id: string, value: string): string =>
  encryption.encrypt(encryption.decrypt(value, placeOf(id)), placeOf(id))

/** Creates the store over the database. */
export function createWebhookSecretStore(db: Database, encryption: Encryption): WebhookSecretStore {
  const rowsOf = (integrationId: string) =>
    withDatabase(() =>
      db
        .selectFrom('webhook_secrets')
        .selectAll()
        .where('integration_id', '=', integrationId)
        .orderBy('created_at', 'desc')
        .orderBy('id')
        .execute(),
    )
  return {
    list: async (integrationId) =>
      (await rowsOf(integrationId)).map((row) => ({ id: row.id, createdAt: row.created_at })),
    reveal: async (integrationId) =>
      (await rowsOf(integrationId)).map(
        (row) => new Secret(encryption.decrypt(row.encrypted_value, placeOf(row.id))),
      ),
    async add(integrationId, value, at) {
      const id = newWebhookSecretId()
      const row = {
        id,
        integration_id: integrationId,
        encrypted_value: encryption.encrypt(value.reveal(), placeOf(id)),
        created_at: at,
      }
      await withDatabase(() => db.insertInto('webhook_secrets').values(row).execute())
      return { id, createdAt: at }
    },
    remove: (integrationId, id) =>
      withDatabase(async () => {
        const removed = await db
          .deleteFrom('webhook_secrets')
          .where('integration_id', '=', integrationId)
          .where('id', '=', id)
          .executeTakeFirst()
        return removed.numDeletedRows > 0n
      }),
  }
}
