// Answers kept for repeated requests of the admin API. Invariant: of any number of requests that
// claim a key at the same moment one gets it, by one statement; and only who holds the claim writes
// its answer or lets it go. Called by idempotency.ts; the sweeper removes what has expired.
import { sql } from 'kysely'
import { withDatabase, type Database, type OpenTransaction } from '../../storage/database.ts'

/** A claim on a key. */
export interface Claim {
  /** Hash of who asks and their key. */
  readonly key: string
  /** Keyed hash of what is asked. */
  readonly fingerprint: string
  readonly at: Date
}

/** What a claim came to. */
export type ClaimOutcome =
  | { readonly kind: 'claimed' }
  | { readonly kind: 'busy'; readonly since: Date }
  | { readonly kind: 'kept'; readonly sealedAnswer: string }
  /** The key was used with another request. */
  | { readonly kind: 'other' }

/** Keeps answers. */
export interface IdempotencyRecordStore {
  /**
   * Claims a key that is free, has expired, or whose holder has been silent since
   * `abandonedBefore`.
   *
   * @param expiresAt when the key is free again
   */
  claim(claim: Claim, limits: { expiresAt: Date; abandonedBefore: Date }): Promise<ClaimOutcome>
  /**
   * Keeps the answer, in the transaction of the act where one is given. Returns `false` where
   * somebody else has taken the key over, or it was let go.
   */
  keep(
    claim: Claim,
    answer: { status: number; encrypted: string },
    transaction?: OpenTransaction,
  ): Promise<boolean>
  /**
   * Lets a claim go that came to nothing. It waits for a transaction that is keeping an answer for
   * it, and leaves what was kept.
   */
  release(claim: Claim): Promise<void>
  /** Removes up to `limit` expired rows and returns how many it removed. */
  removeExpired(now: Date, limit?: number): Promise<number>
}

/** Creates the store. */
export function createIdempotencyRecordStore(db: Database): IdempotencyRecordStore {
  const isMine = ({ key, at }: Claim) =>
    sql<boolean>`key = ${key} and created_at = ${at}::timestamptz and status is null`

  async function tryToClaim(
    claim: Claim,
    limits: { expiresAt: Date; abandonedBefore: Date },
  ): Promise<ClaimOutcome | undefined> {
    const { key, fingerprint, at } = claim
    const { rows } = await sql<{ key: string }>`
      insert into kept_answers as kept (key, fingerprint, status, sealed_answer, created_at, expires_at)
      values (${key}, ${fingerprint}, null, null, ${at}::timestamptz, ${limits.expiresAt}::timestamptz)
      on conflict (key) do update set
        fingerprint = excluded.fingerprint, status = null, sealed_answer = null,
        created_at = excluded.created_at, expires_at = excluded.expires_at
      where kept.expires_at <= excluded.created_at
        or (kept.status is null and kept.fingerprint = excluded.fingerprint
            and kept.created_at <= ${limits.abandonedBefore}::timestamptz)
      returning kept.key`.execute(db)
    if (rows.length > 0) return { kind: 'claimed' }
    const row = await db
      .selectFrom('kept_answers')
      .selectAll()
      .where('key', '=', key)
      .executeTakeFirst()
    if (row === undefined) return undefined
    if (row.fingerprint !== fingerprint) return { kind: 'other' }
    return row.sealed_answer === null
      ? { kind: 'busy', since: row.created_at }
      : { kind: 'kept', sealedAnswer: row.sealed_answer }
  }

  return {
    claim: (claim, limits) =>
      withDatabase(async () => {
        // What stood in the way may be gone a moment later; then the key is free.
        for (let tries = 0; tries < 3; tries += 1) {
          const outcome = await tryToClaim(claim, limits)
          if (outcome !== undefined) return outcome
        }
        return { kind: 'busy', since: claim.at }
      }),

    keep: (claim, { status, encrypted }, transaction) =>
      withDatabase(async () => {
        const { numUpdatedRows } = await (transaction ?? db)
          .updateTable('kept_answers')
          .set({ status, sealed_answer: encrypted })
          .where(isMine(claim))
          .executeTakeFirst()
        return numUpdatedRows > 0n
      }),

    release: (claim) =>
      withDatabase(async () => {
        await db.deleteFrom('kept_answers').where(isMine(claim)).execute()
      }),

    removeExpired: (now, limit = 5000) =>
      withDatabase(async () => {
        const expired = db
          .selectFrom('kept_answers')
          .select('key')
          .where('expires_at', '<=', now)
          .limit(limit)
        const result = await db
          .deleteFrom('kept_answers')
          .where('key', 'in', expired)
          .executeTakeFirst()
        return Number(result.numDeletedRows)
      }),
  }
}
