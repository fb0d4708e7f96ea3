// The rows of credentials: each value encrypted, bound to its connection, kind and name.
import type { Encryption, EncryptedPlace } from '../shared/encryption.ts'
import { Secret } from '../shared/secret.ts'
import type { OpenTransaction } from '../storage/database.ts'
import type { Credential, CredentialKind } from './connection.ts'

/** A credential as a query gives it. */
export interface StoredCredential {
  kind: CredentialKind
  name: string
  value: string
  /** As JSON writes a timestamp. */
  expires: string | null
}

const placeOf = (id: string, kind: string, name: string): EncryptedPlace => ({
  table: 'credentials',
  column: name === '' ? kind : `${kind}/${name}`,
  rowId: id,
})

/** Decrypts a value. @throws {Error} where it was moved, damaged, or its key is not configured */
export const decryptCredential = (
  encryption: Encryption,
  connectionId: string,
  { kind, name, value }: Pick<StoredCredential, 'kind' | 'name' | 'value'>,
): Secret<string> => new Secret(encryption.decrypt(value, placeOf(connectionId, kind, name)))

/** Encrypts a value. */
export const encryptCredential = (
  encryption: Encryption,
  connectionId: string,
  { kind, name, value }: Pick<Credential, 'kind' | 'name' | 'value'>,
): string => encryption.encrypt(value.reveal(), placeOf(connectionId, kind, name))

/** Writes credentials in place of those of the same kind and name. */
export async function writeCredentials(
  trx: OpenTransaction,
  encryption: Encryption,
  connectionId: string,
  credentials: readonly Credential[],
  at: Date,
): Promise<void> {
  if (credentials.length === 0) return
  await trx
    .insertInto('credentials')
    .values(
      credentials.map((credential) => ({
        connection_id: connectionId,
        kind: credential.kind,
        name: credential.name,
        encrypted_value: encryptCredential(encryption, connectionId, credential),
        created_at: at,
        expires_at: credential.expiresAt ?? null,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['connection_id', 'kind', 'name']).doUpdateSet((eb) => ({
        encrypted_value: eb.ref('excluded.encrypted_value'),
        created_at: eb.ref('excluded.created_at'),
        expires_at: eb.ref('excluded.expires_at'),
      })),
    )
    .execute()
}
