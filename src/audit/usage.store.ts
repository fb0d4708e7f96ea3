// How often what happened, by hour and by day, app, name and reason. Invariants: adding is atomic
// per statement, so that hours and days agree; and rows are always locked in one order, so that
// several processes that add at once do not deadlock. Called by usage.ts and what shows figures.
import { type SelectQueryBuilder, sql } from 'kysely'
import { AppError } from '../shared/errors.ts'
import { withDatabase, type Database } from '../storage/database.ts'
import type { Tables } from '../storage/schema.ts'
import { isStorable } from '../storage/timestamps.ts'

/** What is counted. */
interface Counted {
  /** Empty where no app is concerned. */
  appId: string
  name: string
  /** Empty where there is none. */
  reason: string
  count: number
}

/** One counter of an hour. */
export interface HourCount extends Counted {
  /** The first moment of the hour, ISO 8601 in UTC. */
  hour: string
}

/** One counter of a day. */
export interface UsageCount extends Counted {
  /** UTC day, YYYY-MM-DD. */
  day: string
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

/** The length of what is counted together. */
export type Step = 'hour' | 'day'

export interface SumsQuery {
  step: Step
  /** The first moment that counts; the start of an hour, or of a UTC day. */
  from: Date
  /** The first moment that counts no more. */
  to: Date
  appId?: string | undefined
  names: readonly string[]
}

/** One sum over all apps, or of one. */
export interface StepSum {
  /** The first moment of the hour or UTC day. */
  at: Date
  name: string
  reason: string
  count: number
}

/** The sum of one app over a period. */
export type AppSum = Counted

/** Keeps counters. */
export interface UsageStore {
  /** Adds to the counters of the hours and their days in one statement. */
  add(counts: readonly HourCount[]): Promise<void>
  /** Lists the counters of a period by day, app, name and reason. @throws {AppError} `parameter_invalid` about `from`, `to` or `cursor` */
  list(query: UsageQuery): Promise<UsageCount[]>
  /** Sums up each hour or day of a period, in order; over all apps unless one is named. */
  sums(query: SumsQuery): Promise<StepSum[]>
  /** Sums up a whole period for each app that did anything in it. */
  sumsByApp(query: Omit<SumsQuery, 'appId'>): Promise<AppSum[]>
  /**
   * Removes up to `limit` counters of hours of before that time and returns how many it removed.
   */
  removeHoursBefore(before: Date, limit?: number): Promise<number>
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
    add: (counts) => withDatabase(() => addCounts(db, counts)),

    async list(query) {
      assertDay(query.from, 'from')
      assertDay(query.to, 'to')
      if (query.after !== undefined) assertDay(query.after.day, 'cursor')
      return withDatabase(() => listDays(db, query))
    },

    sums: (query) =>
      withDatabase(async () => {
        let select = periodOf(db, query)
          .select([MILLIS.as('millis'), 'name', 'reason', SUM.as('sum')])
          .groupBy(['at', 'name', 'reason'])
          .orderBy('at')
        if (query.appId !== undefined) select = select.where('app_id', '=', query.appId)
        const rows = await select.execute()
        return rows.map(({ millis, name, reason, sum }) => ({
          at: new Date(Number(millis)),
          name,
          reason,
          count: Number(sum),
        }))
      }),

    sumsByApp: (query) =>
      withDatabase(async () => {
        const rows = await periodOf(db, query)
          .where('app_id', '<>', '')
          .select(['app_id', 'name', 'reason', SUM.as('sum')])
          .groupBy(['app_id', 'name', 'reason'])
          .execute()
        return rows.map(({ app_id, name, reason, sum }) => ({
          appId: app_id,
          name,
          reason,
          count: Number(sum),
        }))
      }),

    removeHoursBefore: (before, limit = 5000) =>
      withDatabase(async () => {
        const { numAffectedRows } = await sql`
          delete from usage_hourly where ctid in (
            select ctid from usage_hourly where hour < ${before} order by hour limit ${limit}
          )`.execute(db)
        return Number(numAffectedRows ?? 0)
      }),
  }
}

async function addCounts(db: Database, counts: readonly HourCount[]): Promise<void> {
  await sql`
    with batch as materialized (
      select hour, "appId" as app_id, name, reason, count
      from jsonb_to_recordset(${JSON.stringify(counts)}::jsonb) as each
        (hour timestamptz, "appId" text, name text, reason text, count bigint)
    ), hours as (
      insert into usage_hourly (hour, app_id, name, reason, count)
      select hour, app_id, name, reason, count from batch order by hour, app_id, name, reason
      on conflict (hour, app_id, name, reason)
      do update set count = usage_hourly.count + excluded.count
    )
    insert into usage_daily (day, app_id, name, reason, count)
    select (hour at time zone 'UTC')::date as on_day, app_id, name, reason, sum(count)
    from batch group by on_day, app_id, name, reason order by on_day, app_id, name, reason
    on conflict (day, app_id, name, reason)
    do update set count = usage_daily.count + excluded.count`.execute(db)
}

async function listDays(db: Database, query: UsageQuery): Promise<UsageCount[]> {
  const { after } = query
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
}

const SUM = sql<string>`sum(count)::text`
const MILLIS = sql<string>`(extract(epoch from at) * 1000)::bigint::text`

type Period = { period: { at: Date; app_id: string; name: string; reason: string; count: string } }

/** The counters of a period by hour or by day, as one shape. */
function periodOf(
  db: Database,
  { step, from, to, names }: Omit<SumsQuery, 'appId'>,
): SelectQueryBuilder<Tables & Period, 'period', object> {
  const source =
    step === 'hour'
      ? sql<Period['period']>`(
          select hour as at, app_id, name, reason, count from usage_hourly
          where hour >= ${from} and hour < ${to})`
      : sql<Period['period']>`(
          select day::timestamp at time zone 'UTC' as at, app_id, name, reason, count
          from usage_daily
          where day >= ${dayOf(from)}::date and day < ${dayOf(to)}::date)`
  return db.selectFrom(source.as('period')).where('name', 'in', names)
}

const dayOf = (moment: Date): string => moment.toISOString().slice(0, 10)
