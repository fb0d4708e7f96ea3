// What was ended, written down in the database. Invariants: whoever can read a number can read
// every row below it, because the counter is raised in the statement that inserts and stays locked
// until that is committed; a row stays until no copy of the short-lived store can know what it
// ends. Called by endings.ts and catch-up.ts.
import { sql } from 'kysely'
import { type Database, withDatabase } from '../storage/database.ts'

/** A family of tokens that ended, or one access token of it. */
export interface Ending {
  /** The id of the grant. */
  family: string
  /** SHA-256 of the access token that ended alone; absent where the whole family did. */
  token?: string | undefined
  /** Which grant under the id ended, where another one may follow. */
  epoch?: string | undefined
  reason: string
  /** Milliseconds since the epoch. */
  endedAt: number
  keepUntil: number
  /** What was believed of the short-lived store before it was ended there; not written down. */
  copy?: object | undefined
}

/** An ending with its place in the order of all. */
export interface NumberedEnding extends Ending {
  seq: number
}

/** Keeps endings. */
export interface EndedStore {
  /** Writes endings down, in their order, and returns the number of the last one. */
  add(endings: readonly Ending[]): Promise<number>
  /** Returns the number of the last ending that was written down. */
  last(): Promise<number>
  /** The same, asked of the server that takes writes. */
  lastForCertain(): Promise<number>
  /**
   * Lists up to `limit` endings after a number, in order, without those that are past their time.
   */
  listAfter(seq: number, now: Date, limit: number): Promise<NumberedEnding[]>
  /** Removes some that are past their time; returns how many. */
  removeExpired(now: Date): Promise<number>
}

const REMOVED_AT_ONCE = 1000

const counter = (db: Database) => db.selectFrom('ended_counter').select('last')
const numberIn = ({ last }: { last: string }): number => Number(last)

/** Creates the store. */
export function createEndedStore(db: Database): EndedStore {
  return {
    add: (endings) =>
      withDatabase(async () => {
        const rows = endings.map((ending, index) => ({
          place: index + 1,
          family: ending.family,
          token: ending.token ?? null,
          epoch: ending.epoch ?? null,
          reason: ending.reason,
          ended_at: new Date(ending.endedAt).toISOString(),
          keep_until: new Date(ending.keepUntil).toISOString(),
        }))
        const { rows: answer } = await sql<{ last: string }>`
          with counter as (
            update ended_counter set last = last + ${rows.length}::bigint returning last
          ), written as (
            insert into ended_grants (seq, family, token, epoch, reason, ended_at, keep_until)
            select last - ${rows.length}::bigint + place, family, token, epoch, reason, ended_at, keep_until
            from counter, jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row(
              place bigint, family text, token text, epoch text, reason text,
              ended_at timestamptz, keep_until timestamptz
            )
          )
          select last from counter`.execute(db)
        return Number(answer[0]?.last)
      }),

    last: () => withDatabase(async () => numberIn(await counter(db).executeTakeFirstOrThrow())),

    // A replica takes no locks.
    lastForCertain: () =>
      withDatabase(async () => numberIn(await counter(db).forUpdate().executeTakeFirstOrThrow())),

    listAfter: (seq, now, limit) =>
      withDatabase(async () => {
        const rows = await db
          .selectFrom('ended_grants')
          .selectAll()
          .where('seq', '>', String(seq))
          .where('keep_until', '>', now)
          .orderBy('seq')
          .limit(limit)
          .execute()
        return rows.map((row) => ({
          seq: Number(row.seq),
          family: row.family,
          token: row.token ?? undefined,
          epoch: row.epoch ?? undefined,
          reason: row.reason,
          endedAt: row.ended_at.getTime(),
          keepUntil: row.keep_until.getTime(),
        }))
      }),

    removeExpired: (now) =>
      withDatabase(async () => {
        const { numDeletedRows } = await db
          .deleteFrom('ended_grants')
          .where('seq', 'in', (query) =>
            query
              .selectFrom('ended_grants')
              .select('seq')
              .where('keep_until', '<=', now)
              .orderBy('keep_until')
              .limit(REMOVED_AT_ONCE),
          )
          .executeTakeFirst()
        return Number(numDeletedRows)
      }),
  }
}
