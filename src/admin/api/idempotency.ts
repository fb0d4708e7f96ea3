// Requests that may be sent again: with an Idempotency-Key, a creation that succeeded is done once, however often and at whatever moment it is asked
// for, and each asker gets the same answer. Invariants: the answer is kept sealed, because it may show a secret for the only time; what did not
// succeed changed nothing and frees its key. A process that died while it worked leaves its key busy for a minute; whoever asks after that
// does the work anew, so that a crash between a creation and its answer can create twice.
import { DAY, dateNow, MINUTE, SECOND, type Clock } from '../../shared/clock.ts'
import { type MacKey, sha256 } from '../../shared/crypto.ts'
import { AppError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { SealedBox, SealedPlace } from '../../shared/sealed-box.ts'
import type { Claim, KeptAnswerStore } from './kept-answer.store.ts'
import type { Done, Reply } from './operation.ts'

const KEPT_MILLIS = DAY
const ABANDONED_AFTER_MILLIS = MINUTE
const VISIBLE = /^[\x21-\x7E]{1,200}$/

/** Runs requests at most once. */
export interface Idempotency {
  /**
   * Answers from what is kept, or runs `work` and keeps its answer for 24 h if it succeeds.
   *
   * @param asked what makes this request this one: method, address and body
   * @throws {AppError} `idempotency_key_invalid`, `idempotency_key_reused`, `idempotency_key_busy`
   */
  once(
    key: { clientId: string; header: string; asked: readonly string[] },
    work: () => Promise<Reply>,
  ): Promise<{ reply: Reply; isRepeated: boolean }>
}

const placeOf = (key: string): SealedPlace => ({
  table: 'kept_answers',
  column: 'sealed_answer',
  rowId: key,
})

/** Creates it. */
export function createIdempotency(deps: {
  store: Pick<KeptAnswerStore, 'claim' | 'keep' | 'release'>
  box: Pick<SealedBox, 'seal' | 'open'>
  /** Keyed, because a request may hold a password, which a plain hash would let guess. */
  mac: Pick<MacKey, 'mac'>
  clock: Clock
  logger: Pick<Logger, 'warn'>
}): Idempotency {
  const { store, box, mac, clock, logger } = deps

  async function keep(claim: Claim, reply: Done): Promise<void> {
    try {
      const sealed = box.seal(JSON.stringify(reply), placeOf(claim.key))
      await store.keep(claim, { status: reply.status, sealed })
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
    async once({ clientId, header, asked }, work) {
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
          // Most answers take less than a second; one that has not come by then may have been abandoned.
          const retryAfterSeconds =
            waited < SECOND ? 1 : Math.max(1, (ABANDONED_AFTER_MILLIS - waited) / SECOND)
          throw new AppError('idempotency_key_busy', { retryAfterSeconds })
        }
        case 'kept': {
          const reply = JSON.parse(box.open(outcome.sealedAnswer, placeOf(claim.key))) as Done
          return { reply, isRepeated: true }
        }
        case 'claimed':
      }
      let reply: Reply
      try {
        reply = await work()
      } catch (error) {
        await release(claim)
        throw error
      }
      await (reply.kind === 'done' ? keep(claim, reply) : release(claim))
      return { reply, isRepeated: false }
    },
  }
}
