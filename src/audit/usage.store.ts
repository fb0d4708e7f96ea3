// How often what happened, by day, app, name and reason. Invariant: adding is atomic per statement,
// and rows are always locked in one order, so that several processes that add at once do not
// deadlock. Called by usage.ts and the dashboard.
import { sql } from 'kysely'
import { AppError } from '../shared/errors.ts'
import { withDatabase, type Database } from '../storage/database.ts'
import { isStorable } from '../storage/timestamps.ts'

/** One counter. */
export interface UsageCount {
  /** UTC day, YYYY-MM-DD. */
  day: string
  /** Empty where no app is concerned. */
  appId: string
  name: string
  /** Empty where there is none. */
  reason: string
  count: number
}

export interface UsageQuery {
  /** First UTC day, YYYY-MM-DD. */
  from: string
  /** Last UTC day, included. */
  to: string
  appId?: string | undefined
  name?: string | undefined
  /** Where the page before ended. */
  after?: Omit<UsageCount, 'count'> | undefined
  /** All of them when absent. */
  limit?: number | undefined
}

/** Keeps counters. */
export interface UsageStore {
  /** Adds to the counters in one statement. */
  add(counts: readonly UsageCount[]): Promise<void>
  /** Lists the counters of a period by day, app, name and reason. @throws {AppError} `parameter_invalid` about `from`, `to` or `cursor` */
  list(query: UsageQuery): Promise<UsageCount[]>
}

const DAY = /^\d{4}-\d{2}-\d{2}$/

function assertDay(day: string, about: string): void {
  const start = DAY.test(day) ? Date.parse(day) : Number.NaN
  // 30 February parses as 2 March here, and is an error of the database there.
  if (!isStorable(new Date(start)) || new Date(start).toISOString().slice(0, 10) !== day)
    throw new AppError('parameter_invalid', { about })
}

/** Creates the store. */
export function createUsageStore(db: Database): UsageStore {
  return {
    add: (counts) =>
      withDatabase(async () => {
        await sql`
          insert into usage_daily (day, app_id, name, reason, count)
          select day, "appId", name, reason, count
          from jsonb_to_recordset(${JSON.stringify(counts)}::jsonb) as batch
            (day date, "appId" text, name text, reason text, count bigint)
          order by day, "appId", name, reason
          on conflict (day, app_id, name, reason)
          do update set count = usage_daily.count + excluded.count`.execute(db)
      }),

    async list(query) {
      assertDay(query.from, 'from')
      assertDay(query.to, 'to')
      const { after } = query
      if (after !== undefined) assertDay(after.day, 'cursor')
      return withDatabase(async () => {
        let select = db
          .selectFrom('usage_daily')
          // As text: drivers turn dates into local midnights and bigints into several things.
          .select([
            sql<string>`to_char(day, 'YYYY-MM-DD')`.as('on_day'),
            'app_id',
            'name',
            'reason',
            sql<string>`count::text`.as('times'),
          ])
          .where('day', '>=', query.from)
          .where('day', '<=', query.to)
          .orderBy('day')
          .orderBy('app_id')
          .orderBy('name')
          .orderBy('reason')
        if (query.appId !== undefined) select = select.where('app_id', '=', query.appId)
        if (query.name !== undefined) select = select.where('name', '=', query.name)
        if (after !== undefined)
          select = select.where(
            sql<boolean>`(day, app_id, name, reason) > (${after.day}::date, ${after.appId}, ${after.name}, ${after.reason})`,
          )
        if (query.limit !== undefined) select = select.limit(query.limit)
        const rows = await select.execute()
        return rows.map((row) => ({
          day: row.on_day,
          appId: row.app_id,
          name: row.name,
          reason: row.reason,
          count: Number(row.times),
        }))
      })
    },
  }
}
