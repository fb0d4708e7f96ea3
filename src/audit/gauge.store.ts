// How many authorizations were alive and how many people connected, sampled once an hour.
// Invariant: one process samples an hour, whichever claims it first. Called by the sampler and what
// shows figures.
import { sql } from 'kysely'
import { type Database, withDatabase } from '../storage/database.ts'

/** What is sampled. */
export type GaugeName = 'grants.live' | 'people.connected' | 'grants.used' | 'grants.used_last'

/** One value. */
export interface Gauge {
  /** Empty for the whole server. */
  appId: string
  name: GaugeName
  /** A count; of `grants.used_last` seconds since the epoch. */
  value: number
}

export interface SampledGauge extends Gauge {
  at: Date
}

/** Keeps samples. */
export interface GaugeStore {
  /** Claims an hour; returns false where another process has it. */
  claim(hour: Date): Promise<boolean>
  /** Gives an hour back that could not be sampled. */
  release(hour: Date): Promise<void>
  add(at: Date, gauges: readonly Gauge[]): Promise<void>
  /** Lists the samples of an app, or with '' of the whole server, oldest first. */
  list(query: { appId: string; from: Date; to: Date }): Promise<SampledGauge[]>
  /** The newest sample of each app that has one from then on, and of the whole server. */
  latest(from: Date): Promise<SampledGauge[]>
  /** Keeps of each day before that time its last sample alone; returns how many were removed. */
  thinOut(before: Date, limit?: number): Promise<number>
}

const CLAIM = 'claimed'

/** Creates the store. */
export function createGaugeStore(db: Database): GaugeStore {
  return {
    claim: (hour) =>
      withDatabase(async () => {
        const { numAffectedRows } = await sql`
          insert into usage_gauges (at, app_id, name, value) values (${hour}, '', ${CLAIM}, 1)
          on conflict do nothing`.execute(db)
        return Number(numAffectedRows ?? 0) > 0
      }),
    release: (hour) =>
      withDatabase(async () => {
        await db
          .deleteFrom('usage_gauges')
          .where('at', '=', hour)
          .where('name', '=', CLAIM)
          .execute()
      }),
    add: (at, gauges) =>
      withDatabase(async () => {
        await sql`
          insert into usage_gauges (at, app_id, name, value)
          select ${at}, "appId", name, value
          from jsonb_to_recordset(${JSON.stringify(gauges)}::jsonb) as each
            ("appId" text, name text, value bigint)
          on conflict (at, app_id, name) do update set value = excluded.value`.execute(db)
      }),
    list: ({ appId, from, to }) =>
      withDatabase(async () => {
        const rows = await db
          .selectFrom('usage_gauges')
          .selectAll()
          .where('app_id', '=', appId)
          .where('at', '>=', from)
          .where('at', '<', to)
          .where('name', '<>', CLAIM)
          .orderBy('at')
          .execute()
        return rows.map(toGauge)
      }),
    latest: (from) =>
      withDatabase(async () => {
        const rows = await db
          .selectFrom('usage_gauges')
          .selectAll()
          .distinctOn(['app_id', 'name'])
          .where('at', '>=', from)
          .where('name', '<>', CLAIM)
          .orderBy('app_id')
          .orderBy('name')
          .orderBy('at', 'desc')
          .execute()
        return rows.map(toGauge)
      }),
    thinOut: (before, limit = 5000) =>
      withDatabase(async () => {
        const { numAffectedRows } = await sql`
          delete from usage_gauges where ctid in (
            select earlier.ctid from usage_gauges earlier
            where earlier.at < ${before} and exists (
              select 1 from usage_gauges later
              where later.app_id = earlier.app_id and later.name = earlier.name
                and later.at > earlier.at and later.at < ${before}
                and date_trunc('day', later.at, 'UTC') = date_trunc('day', earlier.at, 'UTC'))
            limit ${limit})`.execute(db)
        return Number(numAffectedRows ?? 0)
      }),
  }
}

const toGauge = (row: { at: Date; app_id: string; name: string; value: string }): SampledGauge => ({
  at: row.at,
  appId: row.app_id,
  name: row.name as GaugeName,
  value: Number(row.value),
})
