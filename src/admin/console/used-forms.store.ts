// Which forms have been sent already: those whose answer shows a secret, which a reload would
// otherwise make again. Invariant: of two requests with one form, however close together, exactly
// one takes it. Kept beside the answers of the admin API, and swept with them.
import { sql } from 'kysely'
import type { Parameters } from '../../http/parameters.ts'
import { randomBase62 } from '../../shared/crypto.ts'
import { dateNow, DAY, type Clock } from '../../shared/clock.ts'
import { AppError } from '../../shared/errors.ts'
import { type Database, type OpenTransaction, withDatabase } from '../../storage/database.ts'

const KEPT_MILLIS = 2 * DAY

/** Remembers forms by a key that nobody else can have made. */
export interface UsedForms {
  /** Takes a form; `false` when it was taken before. */
  take(key: string): Promise<boolean>
  /**
   * Gives a form back whose act came to nothing, so that it can be sent again; one that led to
   * something stays taken.
   */
  giveBack(key: string): Promise<void>
  /**
   * Notes in the transaction of its act what the form led to.
   *
   * @throws {AppError} `conflict` where the form was given back meanwhile
   */
  note(key: string, outcome: string, transaction: OpenTransaction): Promise<void>
  /** Returns what was noted; an empty text where nothing was. */
  outcomeOf(key: string): Promise<string>
}

const FORM_ID = /^[0-9A-Za-z]{22}$/

/** Makes the id of a form that must count once. */
export const newFormId = (): string => randomBase62(22)

/** Returns the id that a form carries in `form`; a new one where it carries none of ours. */
export function formIdOf(fields: Parameters): string {
  const id = fields.get('form') ?? ''
  return FORM_ID.test(id) ? id : newFormId()
}

/** Creates the store. */
export function createUsedForms(db: Database, clock: Clock): UsedForms {
  const ROW = (key: string): string => `form ${key}`
  return {
    take: (key) =>
      withDatabase(async () => {
        const now = dateNow(clock)
        const taken = await db
          .insertInto('kept_answers')
          .values({
            key: ROW(key),
            fingerprint: '',
            status: null,
            sealed_answer: null,
            created_at: now,
            expires_at: new Date(now.getTime() + KEPT_MILLIS),
          })
          .onConflict((conflict) => conflict.column('key').doNothing())
          .returning(sql<number>`1`.as('one'))
          .executeTakeFirst()
        return taken !== undefined
      }),
    giveBack: (key) =>
      withDatabase(async () => {
        await db
          .deleteFrom('kept_answers')
          .where('key', '=', ROW(key))
          .where('fingerprint', '=', '')
          .execute()
      }),
    note: (key, outcome, transaction) =>
      withDatabase(async () => {
        const { numUpdatedRows } = await transaction
          .updateTable('kept_answers')
          .set({ fingerprint: outcome })
          .where('key', '=', ROW(key))
          .executeTakeFirst()
        if (numUpdatedRows === 0n) throw new AppError('conflict')
      }),
    outcomeOf: (key) =>
      withDatabase(async () => {
        const row = await db
          .selectFrom('kept_answers')
          .select('fingerprint')
          .where('key', '=', ROW(key))
          .executeTakeFirst()
        return row?.fingerprint ?? ''
      }),
  }
}
