// The rows of signing keys, a table for each algorithm. Invariants: each algorithm has at most one
// current key, whoever races whom: a unique index decides about the first, a row lock about each
// rotation; all algorithms rotate in one transaction.
import type { Selectable, Transaction } from 'kysely'
import type { SigningAlg } from '../model/signing-alg.ts'
import { isUniqueViolation, withDatabase, type Database } from '../storage/database.ts'
import type { SigningKeyRow, Tables } from '../storage/schema.ts'

/** Where the keys of an algorithm are. */
export const TABLES = {
  ES256: 'signing_keys',
  RS256: 'rsa_signing_keys',
} as const satisfies Record<SigningAlg, keyof Tables>

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

/** How a key is followed by the next one of its algorithm. */
export interface Succession {
  readonly alg: SigningAlg
  /** The key that the caller takes for current; if it no longer is, somebody else has rotated. */
  readonly currentId: string
  /** The key that comes after the one that becomes current. */
  readonly next: StoredKey
}

/** What a rotation needs to know. */
export interface Rotation {
  readonly successions: readonly Succession[]
  readonly at: Date
  /** Where it is given, the next keys must not have been made later. */
  readonly publishedBefore: Date | undefined
  /** Keys that retired before this are removed. */
  readonly forgetBefore: Date
}

/** The database as the key ring needs it. */
export interface KeyStore {
  list(): Promise<StoredKey[]>
  /** Writes the first keys of an algorithm, or none when another node has been faster. */
  insertFirst(alg: SigningAlg, keys: readonly StoredKey[]): Promise<void>
  /**
   * Moves current to retired, next to current and adds the new next, of all successions; returns
   * `false`, and changes nothing, after somebody else's, and where a next key is younger than it
   * may be.
   */
  rotate(rotation: Rotation): Promise<boolean>
  /**
   * Replaces an encrypted half by the same one encrypted anew; returns whether it still was that
   * one.
   */
  replaceEncrypted(
    key: { readonly kid: string; readonly alg: SigningAlg; readonly encrypted: string },
    anew: string,
  ): Promise<boolean>
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

/**
 * Locks the current key, so that of rotations at the same moment the others wait, and finds the one
 * that follows. Returns its id; `undefined` where this rotation may not be.
 */
async function findSuccessor(
  trx: Transaction<Tables>,
  { alg, currentId }: Succession,
  publishedBefore: Date | undefined,
): Promise<string | undefined> {
  const current = await trx
    .selectFrom(TABLES[alg])
    .select('id')
    .where('id', '=', currentId)
    .where('status', '=', 'current')
    .forUpdate()
    .executeTakeFirst()
  if (current === undefined) return undefined
  const successor = await trx
    .selectFrom(TABLES[alg])
    .select(['id', 'created_at'])
    .where('status', '=', 'next')
    .orderBy('created_at')
    .limit(1)
    .executeTakeFirstOrThrow()
  const isYoung = publishedBefore !== undefined && successor.created_at > publishedBefore
  return isYoung ? undefined : successor.id
}

async function succeed(
  trx: Transaction<Tables>,
  { alg, currentId, next }: Succession,
  successorId: string,
  { at, forgetBefore }: Rotation,
): Promise<void> {
  const table = TABLES[alg]
  await trx
    .updateTable(table)
    .set({ status: 'retired', retired_at: at })
    .where('id', '=', currentId)
    .execute()
  await trx
    .updateTable(table)
    .set({ status: 'current', activated_at: at })
    .where('id', '=', successorId)
    .execute()
  await trx.insertInto(table).values(toRow(next)).execute()
  await trx
    .deleteFrom(table)
    .where('status', '=', 'retired')
    .where('retired_at', '<', forgetBefore)
    .execute()
}

async function listOf(db: Database, alg: SigningAlg): Promise<StoredKey[]> {
  const rows = await db
    .selectFrom(TABLES[alg])
    .selectAll()
    .where('alg', '=', alg)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute()
  return rows.map(toKey)
}

/** Creates the store over the database. */
export function createKeyStore(db: Database): KeyStore {
  return {
    list: () =>
      withDatabase(async () => [...(await listOf(db, 'ES256')), ...(await listOf(db, 'RS256'))]),

    insertFirst: (alg, keys) =>
      withDatabase(async () => {
        try {
          // One statement: the unique index on the current key refuses the next one along with it.
          await db.insertInto(TABLES[alg]).values(keys.map(toRow)).execute()
        } catch (error) {
          if (!isUniqueViolation(error)) throw error
        }
      }),

    rotate: (rotation) =>
      withDatabase(() =>
        db.transaction().execute(async (trx) => {
          const found: (readonly [Succession, string])[] = []
          for (const succession of rotation.successions) {
            const id = await findSuccessor(trx, succession, rotation.publishedBefore)
            if (id === undefined) return false
            found.push([succession, id])
          }
          for (const [succession, id] of found) await succeed(trx, succession, id, rotation)
          return true
        }),
      ),

    replaceEncrypted: ({ kid, alg, encrypted }, anew) =>
      withDatabase(async () => {
        const replaced = await db
          .updateTable(TABLES[alg])
          .set({ sealed_private_jwk: anew })
          .where('id', '=', kid)
          .where('sealed_private_jwk', '=', encrypted)
          .executeTakeFirst()
        return replaced.numUpdatedRows > 0n
      }),
  }
}
