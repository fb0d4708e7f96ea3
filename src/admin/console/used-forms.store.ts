// Which forms have been sent already: those whose answer shows a secret, which a reload would otherwise make again. Invariant: of two requests
// with one form, however close together, exactly one takes it. Kept beside the answers of the admin API, and swept with them.
import { sql } from 'kysely'
import type { Parameters } from '../../http/parameters.ts'
import { randomBase62 } from '../../shared/crypto.ts'
import { dateNow, DAY, type Clock } from '../../shared/clock.ts'
import { type Database, withDatabase } from '../../storage/database.ts'

const KEPT_MILLIS = 2 * DAY

/** Remembers forms by a key that nobody else can have made. */
export interface UsedForms {
  /** Takes a form; `false` when it was taken before. */
  take(key: string): Promise<boolean>
  /** Gives a form back whose act was refused, so that it can be sent again. */
  giveBack(key: string): Promise<void>
  /** Notes what the form led to. */
  note(key: string, outcome: string): Promise<void>
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
        await db.deleteFrom('kept_answers').where('key', '=', ROW(key)).execute()
      }),
    note: (key, outcome) =>
      withDatabase(async () => {
        await db
          .updateTable('kept_answers')
          .set({ fingerprint: outcome })
          .where('key', '=', ROW(key))
          .execute()
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
