// Requests that may be sent again: with an Idempotency-Key, a creation that succeeded is done once,
// however often and at whatever moment it is asked for, and each asker gets the same answer.
// Invariants: the answer is kept encrypted, because it may show a secret for the only time; what
// was refused changed nothing and frees its key. Where the answer is kept in the transaction of the
// act, both are there or neither, whatever fails: the row of the claim decides. For the others a
// failure leaves the key busy for a minute, since nobody knows what came of it.
import { DAY, dateNow, MINUTE, SECOND, type Clock } from '../../shared/clock.ts'
import { type MacKey, sha256 } from '../../shared/crypto.ts'
import { AppError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Encryption, EncryptedPlace } from '../../shared/encryption.ts'
import type { WriteAlong } from '../../storage/database.ts'
import type { Claim, IdempotencyRecordStore } from './idempotency-record.store.ts'
import type { Done, Reply } from './operation.ts'

const KEPT_MILLIS = DAY
const ABANDONED_AFTER_MILLIS = MINUTE
const VISIBLE = /^[\x21-\x7E]{1,200}$/

/** Runs requests at most once. */
export interface Idempotency {
  /**
   * Answers from what is kept, or runs `work` and keeps its answer for 24 h if it succeeds.
   *
   * @param key.isWhole whether `work` keeps its answer in the transaction of its act
   * @param asked what makes this request this one: method, address and body
   * @throws {AppError} `idempotency_key_invalid`, `idempotency_key_reused`, `idempotency_key_busy`
   */
  once(
    key: { clientId: string; header: string; asked: readonly string[]; isWhole: boolean },
    work: (keepAlong: WriteAlong<Done>) => Promise<Reply>,
  ): Promise<{ reply: Reply; isRepeated: boolean }>
}

const placeOf = (key: string): EncryptedPlace => ({
  table: 'kept_answers',
  column: 'sealed_answer',
  rowId: key,
})

const isRefusal = (error: unknown): boolean => error instanceof AppError && error.status < 500

/** Creates it. */
export function createIdempotency(deps: {
  store: Pick<IdempotencyRecordStore, 'claim' | 'keep' | 'release'>
  box: Pick<Encryption, 'encrypt' | 'decrypt'>
  /** Keyed, because a request may hold a password, which a plain hash would let guess. */
  mac: Pick<MacKey, 'mac'>
  clock: Clock
  logger: Pick<Logger, 'warn'>
}): Idempotency {
  const { store, box, mac, clock, logger } = deps

  const sealedOf = (claim: Claim, reply: Done) => ({
    status: reply.status,
    encrypted: box.encrypt(JSON.stringify(reply), placeOf(claim.key)),
  })

  async function keep(claim: Claim, reply: Done): Promise<void> {
    try {
      await store.keep(claim, sealedOf(claim, reply))
    } catch (error) {
      // It is done, and its asker shall hear so: an error now would only make them ask again.
      logger.warn({ err: error }, 'an answer of the admin API could not be kept')
    }
  }

  async function release(claim: Claim): Promise<void> {
    try {
      await store.release(claim)
    } catch (error) {
      logger.warn({ err: error }, 'an idempotency key could not be freed: it is busy for a minute')
    }
  }

  return {
    async once({ clientId, header, asked, isWhole }, work) {
      if (!VISIBLE.test(header)) throw new AppError('idempotency_key_invalid')
      const at = dateNow(clock)
      const claim: Claim = {
        key: sha256(`${clientId} ${header}`),
        fingerprint: mac.mac(JSON.stringify(asked)),
        at,
      }
      const outcome = await store.claim(claim, {
        expiresAt: new Date(at.getTime() + KEPT_MILLIS),
        abandonedBefore: new Date(at.getTime() - ABANDONED_AFTER_MILLIS),
      })
      switch (outcome.kind) {
        case 'other':
          throw new AppError('idempotency_key_reused')
        case 'busy': {
          const waited = at.getTime() - outcome.since.getTime()
          // Most answers take less than a second; one that has not come by then may have been
          // abandoned.
          const retryAfterSeconds =
            waited < SECOND ? 1 : Math.max(1, (ABANDONED_AFTER_MILLIS - waited) / SECOND)
          throw new AppError('idempotency_key_busy', { retryAfterSeconds })
        }
        case 'kept': {
          const reply = JSON.parse(box.decrypt(outcome.sealedAnswer, placeOf(claim.key))) as Done
          return { reply, isRepeated: true }
        }
        case 'claimed':
      }
      let reply: Reply
      const kept = { along: false }
      try {
        reply = await work(async (transaction, answer) => {
          kept.along = await store.keep(claim, sealedOf(claim, answer), transaction)
          // Somebody else has the key by now, and does the same.
          if (!kept.along) throw new AppError('idempotency_key_busy', { retryAfterSeconds: 1 })
        })
      } catch (error) {
        // An answer that was kept in spite of it stays.
        if (isWhole || isRefusal(error)) await release(claim)
        throw error
      }
      if (reply.kind !== 'done') await release(claim)
      else if (!kept.along) await keep(claim, reply)
      return { reply, isRepeated: false }
    },
  }
}
