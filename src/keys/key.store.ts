// The rows of signing keys. Invariant: each algorithm has at most one current key, whoever races
// whom: a unique index decides about the first, a row lock about each rotation.
import type { Selectable } from 'kysely'
import { isUniqueViolation, withDatabase, type Database } from '../storage/database.ts'
import type { SigningKeyRow } from '../storage/schema.ts'

export type SigningAlg = SigningKeyRow['alg']
export type KeyStatus = SigningKeyRow['status']

/** A signing key whose private half is encrypted. */
export interface StoredKey {
  /** The `kid`. */
  readonly id: string
  readonly alg: SigningAlg
  readonly status: KeyStatus
  readonly publicJwk: Readonly<Record<string, unknown>>
  readonly encryptedPrivateJwk: string
  readonly createdAt: Date
  readonly activatedAt: Date | undefined
  readonly retiredAt: Date | undefined
}

/** What a rotation needs to know. */
export interface Rotation {
  readonly alg: SigningAlg
  /** The key that the caller takes for current; if it no longer is, somebody else has rotated. */
  readonly currentId: string
  /** The key that comes after the one that becomes current. */
  readonly next: StoredKey
  readonly at: Date
  /** Where it is given, the next key must not have been made later. */
  readonly publishedBefore: Date | undefined
  /** Keys that retired before this are removed. */
  readonly forgetBefore: Date
}

/** The database as the key ring needs it. */
export interface KeyStore {
  list(): Promise<StoredKey[]>
  /** Writes the first keys of an algorithm; returns `false`, and writes none, when another node has been faster. */
  insertFirst(keys: readonly StoredKey[]): Promise<boolean>
  /**
   * Moves current to retired, next to current and adds the new next; returns `false`, and changes
   * nothing, after somebody else's, and where the next key is younger than it may be.
   */
  rotate(rotation: Rotation): Promise<boolean>
  /** Replaces a value by the same one re-encrypted; returns whether it still was the old one. */
  replaceEncrypted(id: string, before: string, after: string): Promise<boolean>
}

const toKey = (row: Selectable<SigningKeyRow>): StoredKey => ({
  id: row.id,
  alg: row.alg,
  status: row.status,
  publicJwk: row.public_jwk,
  encryptedPrivateJwk: row.sealed_private_jwk,
  createdAt: row.created_at,
  activatedAt: row.activated_at ?? undefined,
  retiredAt: row.retired_at ?? undefined,
})

const toRow = (key: StoredKey) => ({
  id: key.id,
  alg: key.alg,
  status: key.status,
  public_jwk: JSON.stringify(key.publicJwk),
  sealed_private_jwk: key.encryptedPrivateJwk,
  created_at: key.createdAt,
  activated_at: key.activatedAt ?? null,
  retired_at: key.retiredAt ?? null,
})

/** Creates the store over the database. */
export function createKeyStore(db: Database): KeyStore {
  return {
    list: () =>
      withDatabase(async () => {
        const rows = await db
          .selectFrom('signing_keys')
          .selectAll()
          .orderBy('created_at', 'desc')
          .orderBy('id')
          .execute()
        return rows.map(toKey)
      }),

    insertFirst: (keys) =>
      withDatabase(async () => {
        try {
          // One statement: the unique index on the current key refuses the next one along with it.
          await db.insertInto('signing_keys').values(keys.map(toRow)).execute()
          return true
        } catch (error) {
          if (isUniqueViolation(error)) return false
          throw error
        }
      }),

    rotate: ({ alg, currentId, next, at, publishedBefore, forgetBefore }) =>
      withDatabase(() =>
        db.transaction().execute(async (trx) => {
          const successor = await trx
            .selectFrom('signing_keys')
            .select(['id', 'created_at'])
            .where('alg', '=', alg)
            .where('status', '=', 'next')
            .orderBy('created_at')
            .limit(1)
            .executeTakeFirstOrThrow()
          if (publishedBefore !== undefined && successor.created_at > publishedBefore) return false
          // Whoever rotated after the look above has moved the current key too.
          const retired = await trx
            .updateTable('signing_keys')
            .set({ status: 'retired', retired_at: at })
            .where('id', '=', currentId)
            .where('status', '=', 'current')
            .executeTakeFirst()
          if (retired.numUpdatedRows === 0n) return false
          await trx
            .updateTable('signing_keys')
            .set({ status: 'current', activated_at: at })
            .where('id', '=', successor.id)
            .execute()
          await trx.insertInto('signing_keys').values(toRow(next)).execute()
          await trx
            .deleteFrom('signing_keys')
            .where('status', '=', 'retired')
            .where('retired_at', '<', forgetBefore)
            .execute()
          return true
        }),
      ),

    replaceEncrypted: (id, before, after) =>
      withDatabase(async () => {
        const replaced = await db
          .updateTable('signing_keys')
          .set({ sealed_private_jwk: after })
          .where('id', '=', id)
          .where('sealed_private_jwk', '=', before)
          .executeTakeFirst()
        return replaced.numUpdatedRows > 0n
      }),
  }
}
